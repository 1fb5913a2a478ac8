//! The JSON of Gorgon (Python)'s examples: `{workflow_id, name, steps: [{step_id, step_type, action, parameters}], variables}`, run as it stands.

use super::Lowering;
use super::classic::{self, Keys};
use crate::build::Map;
use crate::node::Node;

const KEYS: Keys = Keys { id: "step_id", ty: "step_type", params: "parameters", chained: false };

pub(super) fn lower(cx: &mut Lowering<'_>, root: &Node) -> Node {
    cx.no_effect(root, &["workflow_id", "name", "description", "version", "variables", "steps", "metadata"]);
    let mut top = Map::new(&root.span);
    classic::name(cx, root, &mut top, "workflow_id");
    top.copy_as(root, "workflow_id", "id");
    classic::steps(cx, root, &KEYS, top)
}
