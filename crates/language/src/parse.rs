//! From text to a tree: YAML 1.2, and so JSON.
//!
//! Built from the parser's events without recursion. Everything that a hostile file could make large is counted while it grows.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use gorgon_core::diagnostic::{Code, Diagnostic};
use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, Span, Tag};

use crate::limits::{DEPTH_MAX, FILE_BYTES_MAX, NODES_MAX, PROBLEMS_MAX, TEXT_BYTES_MAX};
use crate::node::{Content, Entry, Node, TextStyle};
use crate::scalar;

/// Reads a document. The tree is there if its structure could be read, even if there are problems.
pub(crate) fn parse(text: &str) -> (Option<Node>, Vec<Diagnostic>) {
    let mut builder = Builder { text, stack: Vec::new(), anchors: HashMap::new(), root: None, nodes: 0, bytes: 0, problems: Vec::new() };
    let whole = builder.read();
    let root = if whole.is_some() { builder.root } else { None };
    (root, builder.problems)
}

struct Builder<'t> {
    text: &'t str,
    stack: Vec<Frame>,
    anchors: HashMap<usize, Node>,
    root: Option<Node>,
    nodes: usize,
    bytes: usize,
    problems: Vec<Diagnostic>,
}

/// A list or map that is not closed yet.
struct Frame {
    start: usize,
    anchor: usize,
    open: Open,
}

enum Open {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, seen: HashSet<String>, key: Key },
}

/// The key that waits for its value.
enum Key {
    None,
    Known(String, Range<usize>),
    /// One that cannot be kept; its value is read and dropped.
    Dropped,
}

impl Builder<'_> {
    /// `None`: the rest of the text cannot be read.
    fn read(&mut self) -> Option<()> {
        if self.text.len() > FILE_BYTES_MAX {
            self.too_large(
                0..0,
                format!("the file has {} bytes, more than {FILE_BYTES_MAX}", self.text.len()),
                "move large data to inputs or to files that steps read",
            );
            return None;
        }
        let options = granit_parser::options! {
            emit_comments: false,
            emit_unresolved_aliases: true,
            flow_nesting_limit: DEPTH_MAX + 2,
            block_nesting_limit: DEPTH_MAX + 2,
        };
        let mut documents = 0;
        for next in Parser::new_from_str_with_options(self.text, options) {
            let (event, span) = match next {
                Ok(next) => next,
                Err(error) => {
                    let at = self.boundary(error.marker().byte_offset().unwrap_or(self.text.len()));
                    let end = self.boundary(at + 1);
                    if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
                        self.too_deep(at..end);
                        return None;
                    }
                    self.report(
                        Code::NotYaml,
                        at..end,
                        format!("this is not YAML: {}", error.kind()),
                        "check the indentation (spaces, no tabs), and quote texts that hold `: `, `#`, or begin with one of `[{&*!|>%@`",
                    );
                    return None;
                }
            };
            let span = self.range(&span);
            match event {
                Event::DocumentStart(..) => {
                    documents += 1;
                    if documents > 1 {
                        self.report(
                            Code::NotYaml,
                            span,
                            "a file holds one workflow, but here begins a second document",
                            "put it into a file of its own",
                        );
                        return Some(());
                    }
                }
                Event::Scalar(value, style, anchor, tag) => {
                    let node = self.scalar(&value, style, tag.as_deref(), span);
                    self.add(node, anchor)?;
                }
                Event::SequenceStart(_, anchor, tag) => self.open(span, anchor, tag.as_deref(), Open::List(Vec::new()))?,
                Event::MappingStart(_, anchor, tag) => {
                    self.open(span, anchor, tag.as_deref(), Open::Map { entries: Vec::new(), seen: HashSet::new(), key: Key::None })?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.close(span.end)?,
                Event::Alias(id) => self.alias(id, span)?,
                Event::UnresolvedAlias(name) => {
                    self.report(
                        Code::NotYaml,
                        span.clone(),
                        format!("`*{name}` repeats a value that has no anchor `&{name}` before it"),
                        "quote it if it is meant as a text",
                    );
                    self.add(Node { span, content: Content::Null }, 0)?;
                }
                _ => {}
            }
        }
        Some(())
    }

    fn range(&self, span: &Span) -> Range<usize> {
        let start = self.boundary(span.start.byte_offset().unwrap_or(0));
        start..self.boundary(span.end.byte_offset().unwrap_or(start)).max(start)
    }

    fn boundary(&self, mut at: usize) -> usize {
        at = at.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at += 1;
        }
        at
    }

    fn scalar(&mut self, value: &str, style: ScalarStyle, tag: Option<&Tag>, span: Range<usize>) -> Node {
        let text_style = match style {
            ScalarStyle::Plain => TextStyle::Plain,
            ScalarStyle::Literal => TextStyle::Literal,
            ScalarStyle::Folded => TextStyle::Folded,
            _ => TextStyle::Quoted,
        };
        let core = tag.and_then(Tag::core_suffix);
        if let (Some(tag), None) = (tag, core) {
            self.unknown_tag(tag, &span);
        }
        let plain = text_style == TextStyle::Plain && core != Some("str");
        // A tag such as `!!int "5"` asks for the type that the plain text would have.
        let content = if plain || matches!(core, Some("int" | "float" | "bool" | "null")) {
            scalar::resolve(value).unwrap_or_else(|why| {
                self.report(Code::BadValue, span.clone(), why, "put it in quotes to keep it as a text");
                Content::Text(value.to_owned(), text_style)
            })
        } else {
            Content::Text(value.to_owned(), text_style)
        };
        Node { span, content }
    }

    fn unknown_tag(&mut self, tag: &Tag, span: &Range<usize>) {
        let (handle, suffix) = tag.original_parts();
        self.report(
            Code::BadValue,
            span.clone(),
            format!("the tag `{handle}{suffix}` is not known"),
            "leave it out; a text that begins with `!` needs quotes",
        );
    }

    fn open(&mut self, span: Range<usize>, anchor: usize, tag: Option<&Tag>, open: Open) -> Option<()> {
        if let Some(tag) = tag.filter(|tag| tag.core_suffix().is_none()) {
            self.unknown_tag(tag, &span);
        }
        if self.stack.len() >= DEPTH_MAX {
            self.too_deep(span);
            return None;
        }
        self.stack.push(Frame { start: span.start, anchor, open });
        Some(())
    }

    fn close(&mut self, end: usize) -> Option<()> {
        let frame = self.stack.pop()?;
        let (last, content) = match frame.open {
            Open::List(items) => (items.last().map(|node| node.span.end), Content::List(items)),
            Open::Map { entries, .. } => (entries.last().map(|entry| entry.value.span.end.max(entry.key_span.end)), Content::Map(entries)),
        };
        // A block ends where the parser notices it, lines later; a flow collection at its bracket.
        let closed = self.text[..end].ends_with([']', '}']);
        let end = if closed { end } else { last.unwrap_or(end).max(frame.start) };
        self.add(Node { span: frame.start..end, content }, frame.anchor)
    }

    fn alias(&mut self, id: usize, span: Range<usize>) -> Option<()> {
        let Some(node) = self.anchors.get(&id) else {
            self.report(Code::NotYaml, span, "a value cannot hold itself", "write it out");
            return None;
        };
        let (nodes, bytes, depth) = node.measure();
        if self.stack.len() + depth > DEPTH_MAX {
            self.too_deep(span);
            return None;
        }
        self.count(nodes, bytes, &span)?;
        let node = self.anchors.get(&id)?.clone();
        self.place(node)
    }

    fn add(&mut self, node: Node, anchor: usize) -> Option<()> {
        let bytes = match &node.content {
            Content::Text(text, _) => text.len(),
            Content::Map(entries) => entries.iter().map(|entry| entry.key.len()).sum(),
            _ => 0,
        };
        self.count(1, bytes, &node.span)?;
        if anchor != 0 {
            // The copy that the anchor keeps counts as well.
            let (nodes, bytes, _) = node.measure();
            self.count(nodes, bytes, &node.span)?;
            self.anchors.insert(anchor, node.clone());
        }
        self.place(node)
    }

    fn count(&mut self, nodes: usize, bytes: usize, span: &Range<usize>) -> Option<()> {
        self.nodes += nodes;
        self.bytes += bytes;
        let what = if self.nodes > NODES_MAX {
            format!("the file stands for more than {NODES_MAX} values")
        } else if self.bytes > TEXT_BYTES_MAX {
            format!("the file stands for more than {TEXT_BYTES_MAX} bytes of text")
        } else {
            return Some(());
        };
        self.too_large(span.clone(), what, "use fewer aliases; put large data into inputs");
        None
    }

    /// Puts a node where the parser is: into the open list or map, or at the root.
    fn place(&mut self, node: Node) -> Option<()> {
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(node);
            return Some(());
        };
        let (entries, seen, key) = match &mut frame.open {
            Open::List(items) => {
                items.push(node);
                return Some(());
            }
            Open::Map { entries, seen, key } => (entries, seen, key),
        };
        match std::mem::replace(key, Key::None) {
            Key::Known(key, key_span) => entries.push(Entry { key, key_span, value: node }),
            Key::Dropped => {}
            Key::None => {
                let found = match &node.content {
                    Content::Null => Some("null".to_owned()),
                    _ => node.scalar(),
                };
                *key = Key::Dropped;
                match found {
                    Some(text) if text == "<<" => {
                        self.report(Code::UnknownKey, node.span, "merge keys (`<<`) are not part of YAML 1.2", "write the keys out");
                    }
                    Some(text) if seen.insert(text.clone()) => *key = Key::Known(text, node.span),
                    Some(text) => {
                        self.report(Code::DuplicateKey, node.span, format!("the key `{text}` stands here a second time"), "keep one of them");
                    }
                    None => {
                        self.report(Code::NotYaml, node.span, "a key must be a text, not a list or a map", "quote it if it begins with `[` or `{`")
                    }
                }
            }
        }
        Some(())
    }

    fn path(&self) -> String {
        let mut path = String::new();
        for frame in &self.stack {
            match &frame.open {
                Open::List(items) => {
                    path.push_str(&format!("[{}]", items.len()));
                }
                Open::Map { key: Key::Known(key, _), .. } => crate::path::push_key(&mut path, key),
                Open::Map { .. } => {}
            }
        }
        path
    }

    fn too_deep(&mut self, span: Range<usize>) {
        self.too_large(span, format!("lists and maps nest deeper than {DEPTH_MAX} levels"), "flatten the file");
    }

    fn too_large(&mut self, span: Range<usize>, message: impl Into<String>, help: &str) {
        self.report(Code::TooLarge, span, message, help);
    }

    fn report(&mut self, code: Code, span: Range<usize>, message: impl Into<String>, help: &str) {
        if self.problems.len() < PROBLEMS_MAX {
            let mut problem = Diagnostic::error(code, self.path(), message).help(help);
            problem.place.span = Some(span);
            self.problems.push(problem);
        }
    }
}
