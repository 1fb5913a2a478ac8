//! What follows a value: accesses, calls, filters and tests.

use std::ops::Range;

use serde_json::Value;

use super::super::super::names::nearest;
use super::super::super::problem::Problem;
use super::super::calls::{self, Filter, Method};
use super::super::node::{Arguments, Node, TESTS};
use super::super::token::{self, Token};
use super::{Parsed, Parser};

impl Parser<'_> {
    pub(super) fn accesses(&mut self, mut node: Node, start: usize) -> Parsed {
        loop {
            if self.token == Token::Sign(".") {
                self.link()?;
                node = self.attribute(node, start)?;
            } else if self.token == Token::Sign("[") {
                self.link()?;
                self.advance()?;
                node = self.subscript(node, start)?;
            } else if self.token == Token::Sign("(") {
                return Err(self.unexpected("an operator"));
            } else {
                return Ok(node);
            }
        }
    }

    fn attribute(&mut self, node: Node, start: usize) -> Parsed {
        let at = self.span.end;
        let Some(word) = self.word_at(at, false).map(str::to_owned) else {
            self.advance()?;
            return Err(self.unexpected("a name after `.`"));
        };
        let end = at + word.len();
        self.seek(end)?;
        if !self.take("(")? {
            return Ok(Node::Index {
                of: Box::new(node),
                key: Box::new(Node::Constant(Value::String(word))),
                text: self.source[start..end].to_owned(),
            });
        }
        let arguments = self.arguments()?;
        let Some(method) = Method::find(&word) else {
            let known = nearest(&word, calls::METHODS.iter().map(|method| method.name));
            return Err(unknown(at..end, "method", &word, known));
        };
        check_count(at..end, &word, method.arguments, arguments.by_position.len())?;
        Ok(Node::Method { of: Box::new(node), method, arguments })
    }

    fn subscript(&mut self, node: Node, start: usize) -> Parsed {
        let of = Box::new(node);
        let from = self.bound()?;
        if !self.take(":")? {
            let Some(key) = from else {
                return Err(self.unexpected("a key or a position"));
            };
            let end = self.span.end;
            self.expect("]")?;
            return Ok(Node::Index { of, key, text: self.source[start..end].to_owned() });
        }
        let to = self.bound()?;
        let step = if self.take(":")? { self.bound()? } else { None };
        self.expect("]")?;
        Ok(Node::Slice { of, from, to, step })
    }

    fn bound(&mut self) -> Parsed<Option<Box<Node>>> {
        if matches!(self.token, Token::Sign(":" | "]")) {
            return Ok(None);
        }
        self.expression().map(|node| Some(Box::new(node)))
    }

    fn arguments(&mut self) -> Parsed<Arguments> {
        let mut arguments = Arguments::default();
        let mut count = 0;
        while !self.take(")")? {
            if count > 0 {
                self.expect(",")?;
                if self.take(")")? {
                    break;
                }
            }
            count += 1;
            if let Token::Name(name) = self.token.clone()
                && matches!(token::read(self.source, self.span.end)?, (Token::Sign("="), _))
            {
                self.advance()?;
                self.advance()?;
                arguments.by_name.push((name, self.expression()?));
            } else {
                arguments.by_position.push(self.expression()?);
            }
        }
        Ok(arguments)
    }

    pub(super) fn filters(&mut self, mut node: Node) -> Parsed {
        loop {
            if self.take("|")? {
                self.link()?;
                node = self.filter(node)?;
            } else if self.take_word("is")? {
                self.link()?;
                node = self.test(node)?;
            } else {
                return Ok(node);
            }
        }
    }

    fn filter(&mut self, node: Node) -> Parsed {
        let span = self.span.clone();
        let Token::Name(name) = self.advance()? else {
            self.seek(span.start)?;
            return Err(self.unexpected("the name of a filter"));
        };
        let arguments = if self.take("(")? { self.arguments()? } else { Arguments::default() };
        if matches!(name.as_str(), "default" | "d") {
            self.provide(&node);
            let mut by_position = arguments.by_position.into_iter();
            let value = by_position.next().map(Box::new);
            let flag = by_position.next().or_else(|| arguments.by_name.into_iter().next().map(|(_, flag)| flag));
            return Ok(Node::Default { of: Box::new(node), value, for_false: matches!(flag, Some(Node::Constant(Value::Bool(true)))) });
        }
        let Some(filter) = Filter::find(&name) else {
            let known = calls::FILTERS.iter().map(|filter| filter.name).chain(["default"]);
            return Err(unknown(span, "filter", &name, nearest(&name, known)));
        };
        check_count(span.clone(), &name, filter.arguments, arguments.by_position.len())?;
        if let Some((named, _)) = arguments.by_name.iter().find(|(named, _)| !filter.names.contains(&named.as_str())) {
            return Err(unknown(span, &format!("argument of `{name}`"), named, None));
        }
        Ok(Node::Filter { of: Box::new(node), filter, arguments })
    }

    fn test(&mut self, node: Node) -> Parsed {
        let negated = self.take_word("not")?;
        let span = self.span.clone();
        let Token::Name(name) = self.advance()? else {
            self.seek(span.start)?;
            return Err(self.unexpected("the name of a test"));
        };
        // As Python spells them.
        let plain = if ["None", "True", "False"].contains(&name.as_str()) { name.to_ascii_lowercase() } else { name.clone() };
        let Some((_, test, count)) = TESTS.iter().find(|(known, ..)| *known == plain) else {
            let known = nearest(&name, TESTS.iter().map(|(known, ..)| *known));
            return Err(unknown(span, "test", &name, known));
        };
        let argument = match count {
            0 => None,
            _ if self.take("(")? => {
                let argument = self.expression()?;
                self.expect(")")?;
                Some(Box::new(argument))
            }
            _ => Some(Box::new(self.nested(Self::signed)?)),
        };
        let of = Box::new(node);
        let (node, negated) = match name.as_str() {
            "defined" | "undefined" => {
                self.provide(&of);
                (Node::IsDefined(of), negated != (name == "undefined"))
            }
            _ => (Node::Test { of, test: *test, argument }, negated),
        };
        Ok(if negated { Node::Not(Box::new(node)) } else { node })
    }

    /// Notes that the expression itself answers for a missing value.
    fn provide(&mut self, node: &Node) {
        if let Node::Reference(at) = node {
            self.references[*at].has_default = true;
        }
    }
}

fn unknown(span: Range<usize>, what: &str, name: &str, known: Option<&str>) -> Problem {
    let problem = Problem::error(span, format!("there is no {what} `{name}`"));
    match known {
        Some(known) => problem.with_help(format!("did you mean `{known}`?")),
        None => problem,
    }
}

fn check_count(span: Range<usize>, name: &str, allowed: (usize, usize), count: usize) -> Parsed<()> {
    if (allowed.0..=allowed.1).contains(&count) {
        return Ok(());
    }
    let wanted = match allowed {
        (0, 0) => "no arguments".to_owned(),
        (least, most) if least == most => format!("{least} argument(s)"),
        (least, most) => format!("{least} to {most} arguments"),
    };
    Err(Problem::error(span, format!("`{name}` takes {wanted}, not {count}")))
}
