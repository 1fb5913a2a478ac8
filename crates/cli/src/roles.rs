//! The roles that hold here.

use gorgon_agents::{Error, Roles};
use gorgon_core::diagnostic::Code;

use crate::context::Context;
use crate::fault::Fault;
use crate::settings::FILE_NAME;

/// Those that come with Gorgon, and those of the folder of the nearest settings file, or else of this one.
pub(crate) fn load(context: &Context) -> Result<Roles, Fault> {
    let folder = context.cwd.ancestors().find(|above| above.join(FILE_NAME).is_file()).unwrap_or(&context.cwd);
    Roles::load(folder).map_err(|Error { file, message }| {
        Fault::new(Code::BadSetting, format!("{}: {message}", file.display())).help("a role has instructions: mend the file, or take it away")
    })
}
