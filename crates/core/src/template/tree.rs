//! A whole value with templates in its strings.

use serde_json::{Map, Value};

use super::error::RenderError;
use super::limits::VALUE_DEPTH_MAX;
use super::names::Names;
use super::problem::Problem;
use super::reference::{Reference, Scope};
use super::text::Template;

/// A JSON value whose strings may hold references. Keys of objects are never templates.
#[derive(Debug, Clone)]
pub struct TemplateValue {
    node: Node,
}

#[derive(Debug, Clone)]
enum Node {
    /// A subtree without references, kept as it is.
    Literal(Value),
    Text(Template),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl TemplateValue {
    /// Parses every string of a value.
    ///
    /// # Errors
    ///
    /// All problems at once, each with the JSON pointer of its string and the place in it.
    pub fn parse(value: &Value) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let node = parse_node(value, &mut String::new(), 0, &mut problems);
        if problems.is_empty() { Ok(Self { node }) } else { Err(problems) }
    }

    /// Every use of a root, in the order of the value.
    #[must_use]
    pub fn references(&self) -> Vec<&Reference> {
        let mut found = Vec::new();
        collect(&self.node, &mut found);
        found
    }

    /// Decides what the bare words mean; call it once, after parsing.
    pub fn bind(&mut self, names: &Names) -> Vec<Problem> {
        let mut problems = Vec::new();
        bind_node(&mut self.node, names, &mut problems);
        problems
    }

    /// The value, if rendering it needs no scope.
    #[must_use]
    pub fn as_literal(&self) -> Option<&Value> {
        match &self.node {
            Node::Literal(value) => Some(value),
            Node::Text(_) | Node::List(_) | Node::Map(_) => None,
        }
    }

    /// Whether rendering needs no scope.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.as_literal().is_some()
    }

    /// Puts the values in place, once; see [`Template::render`].
    ///
    /// # Errors
    ///
    /// As [`Template::render`].
    pub fn render(&self, scope: &dyn Scope) -> Result<Value, RenderError> {
        render_node(&self.node, scope)
    }
}

fn parse_node(value: &Value, pointer: &mut String, depth: usize, problems: &mut Vec<Problem>) -> Node {
    if depth > VALUE_DEPTH_MAX {
        problems.push(Problem::error(0..0, format!("the value nests deeper than {VALUE_DEPTH_MAX} levels")).at_pointer(pointer));
        return Node::Literal(Value::Null);
    }
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => Node::Literal(value.clone()),
        Value::String(text) => match Template::parse(text) {
            Ok(template) => match template.as_literal() {
                Some(text) => Node::Literal(Value::String(text.to_owned())),
                None => Node::Text(located(template, pointer)),
            },
            Err(found) => {
                problems.extend(found.into_iter().map(|problem| problem.at_pointer(pointer)));
                Node::Literal(Value::Null)
            }
        },
        Value::Array(items) => {
            let nodes = items
                .iter()
                .enumerate()
                .map(|(index, item)| within(pointer, &index.to_string(), |pointer| parse_node(item, pointer, depth + 1, problems)))
                .collect();
            fold_list(nodes)
        }
        Value::Object(map) => {
            let nodes = map
                .iter()
                .map(|(key, item)| {
                    let node = within(pointer, key, |pointer| parse_node(item, pointer, depth + 1, problems));
                    (key.clone(), node)
                })
                .collect();
            fold_map(nodes)
        }
    }
}

fn located(mut template: Template, pointer: &str) -> Template {
    for reference in template.references_mut() {
        pointer.clone_into(&mut reference.pointer);
    }
    template
}

fn within<T>(pointer: &mut String, key: &str, read: impl FnOnce(&mut String) -> T) -> T {
    let before = pointer.len();
    pointer.push('/');
    pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
    let read = read(pointer);
    pointer.truncate(before);
    read
}

fn fold_list(nodes: Vec<Node>) -> Node {
    if !nodes.iter().all(|node| matches!(node, Node::Literal(_))) {
        return Node::List(nodes);
    }
    let literals = nodes.into_iter().filter_map(literal);
    Node::Literal(Value::Array(literals.collect()))
}

fn fold_map(nodes: Vec<(String, Node)>) -> Node {
    if !nodes.iter().all(|(_, node)| matches!(node, Node::Literal(_))) {
        return Node::Map(nodes);
    }
    let literals = nodes.into_iter().filter_map(|(key, node)| Some((key, literal(node)?)));
    Node::Literal(Value::Object(literals.collect()))
}

fn literal(node: Node) -> Option<Value> {
    match node {
        Node::Literal(value) => Some(value),
        Node::Text(_) | Node::List(_) | Node::Map(_) => None,
    }
}

fn collect<'n>(node: &'n Node, found: &mut Vec<&'n Reference>) {
    match node {
        Node::Literal(_) => {}
        Node::Text(template) => found.extend(template.references()),
        Node::List(items) => items.iter().for_each(|item| collect(item, found)),
        Node::Map(entries) => entries.iter().for_each(|(_, item)| collect(item, found)),
    }
}

fn bind_node(node: &mut Node, names: &Names, problems: &mut Vec<Problem>) {
    match node {
        Node::Literal(_) => {}
        Node::Text(template) => problems.extend(template.bind(names)),
        Node::List(items) => items.iter_mut().for_each(|item| bind_node(item, names, problems)),
        Node::Map(entries) => entries.iter_mut().for_each(|(_, item)| bind_node(item, names, problems)),
    }
}

fn render_node(node: &Node, scope: &dyn Scope) -> Result<Value, RenderError> {
    Ok(match node {
        Node::Literal(value) => value.clone(),
        Node::Text(template) => template.render(scope)?,
        Node::List(items) => Value::Array(items.iter().map(|item| render_node(item, scope)).collect::<Result<_, _>>()?),
        Node::Map(entries) => {
            let mut map = Map::with_capacity(entries.len());
            for (key, item) in entries {
                map.insert(key.clone(), render_node(item, scope)?);
            }
            Value::Object(map)
        }
    })
}
