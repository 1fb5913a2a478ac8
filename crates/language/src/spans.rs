//! From places in a text of the document to bytes of the source.

use std::ops::Range;

use crate::node::{Content, Node, TextStyle};

/// The bytes of the source at which a range of a node's text stands. Where escapes or folding make that impossible to say, the whole node.
pub(crate) fn inside(source: &str, node: &Node, inner: &Range<usize>) -> Range<usize> {
    let Content::Text(text, style) = &node.content else {
        return node.span.clone();
    };
    let found = match style {
        TextStyle::Plain | TextStyle::Quoted => in_line(source, node, text, *style, inner),
        TextStyle::Literal => in_block(source, node, text, inner),
        TextStyle::Folded => None,
    };
    found.filter(|range| range.start <= range.end && range.end <= source.len()).unwrap_or_else(|| node.span.clone())
}

fn in_line(source: &str, node: &Node, text: &str, style: TextStyle, inner: &Range<usize>) -> Option<Range<usize>> {
    let quote = usize::from(style == TextStyle::Quoted);
    let written = source.get(node.span.start + quote..node.span.end.checked_sub(quote)?)?;
    let start = node.span.start + quote;
    // Without escapes, doubled quotes and folded lines the source is the text.
    (written == text).then(|| start + inner.start..start + inner.end)
}

/// A literal block is its text with the same indentation before each line.
fn in_block(source: &str, node: &Node, text: &str, inner: &Range<usize>) -> Option<Range<usize>> {
    let first_line = text.lines().next()?;
    // The span may begin at the `|` or after its line: the first line of the text is looked for from there.
    let mut line_start = node.span.start;
    let block = source.get(node.span.start..)?;
    let mut indent = None;
    for line in block.split_inclusive('\n').take(8) {
        let content = line.trim_end_matches(['\n', '\r']);
        if let Some(before) = content.strip_suffix(first_line)
            && before.bytes().all(|b| b == b' ')
            && !content.is_empty()
        {
            indent = Some(before.len());
            break;
        }
        line_start += line.len();
    }
    let begins_mid_line = line_start == node.span.start;
    let indent = indent?;
    let depth = if begins_mid_line { source[..line_start].len() - source[..line_start].rfind('\n').map_or(0, |at| at + 1) + indent } else { indent };
    let mut text_at = 0;
    let mut from = None;
    for (number, line) in source.get(line_start..)?.split_inclusive('\n').enumerate() {
        let skipped = if number == 0 { indent } else { depth.min(line.trim_end_matches(['\n', '\r']).len()) };
        let content = line.get(skipped..)?;
        let length = content.trim_end_matches('\r').len();
        if !text.get(text_at..)?.starts_with(content.trim_end_matches(['\n', '\r'])) {
            return None;
        }
        if from.is_none() && inner.start <= text_at + content.trim_end_matches(['\n', '\r']).len() {
            from = Some(line_start + skipped + (inner.start - text_at));
        }
        if let Some(from) = from
            && inner.end <= text_at + length
        {
            return Some(from..line_start + skipped + (inner.end - text_at));
        }
        text_at += length;
        line_start += line.len();
    }
    None
}
