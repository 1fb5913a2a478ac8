//! Recursive descent over the tokens, in the order of precedence of Jinja.

mod postfix;

use std::ops::Range;

use serde_json::{Number, Value};

use super::super::limits::{EXPRESSION_BYTES_MAX, EXPRESSION_DEPTH_MAX, EXPRESSION_LINKS_MAX, TEMPLATE_REFERENCES_MAX};
use super::super::path::{self, Segment};
use super::super::problem::Problem;
use super::super::reference::Reference;
use super::calls::Filter;
use super::node::{Arguments, Comparison, Node, Operation};
use super::token::{self, Token};

type Parsed<T = Node> = Result<T, Problem>;

/// Parses a whole expression. Problems and references are placed in the text that it begins in at `offset`.
pub(super) fn parse(source: &str, offset: usize, references: &mut Vec<Reference>) -> Parsed {
    if source.len() > EXPRESSION_BYTES_MAX {
        return Err(super::too_long(offset..offset + source.len()));
    }
    let mut parser = Parser { source, offset, references, token: Token::End, span: 0..0, depth: 0, links: 0 };
    parser.whole().map_err(|mut problem| {
        problem.span = problem.span.start + offset..problem.span.end + offset;
        problem
    })
}

struct Parser<'p> {
    source: &'p str,
    offset: usize,
    references: &'p mut Vec<Reference>,
    token: Token,
    span: Range<usize>,
    depth: usize,
    links: usize,
}

impl Parser<'_> {
    fn whole(&mut self) -> Parsed {
        self.seek(0)?;
        // `${my-input | default('')}`: before filters, a plain path with dashes is what it is without them.
        let node = match path::scan(self.source) {
            Some(found) if self.source[..found.end].contains('-') && self.source[found.end..].trim_start().starts_with('|') => {
                self.seek(found.end)?;
                let reference = self.reference(found.segments, 0..found.end)?;
                self.filters(reference)?
            }
            _ => self.expression()?,
        };
        match self.token {
            Token::End => Ok(node),
            _ => Err(self.unexpected("an operator or the end")),
        }
    }

    fn seek(&mut self, at: usize) -> Parsed<()> {
        (self.token, self.span) = token::read(self.source, at)?;
        Ok(())
    }

    fn advance(&mut self) -> Parsed<Token> {
        let end = self.span.end;
        let token = std::mem::replace(&mut self.token, Token::End);
        self.seek(end)?;
        Ok(token)
    }

    fn take(&mut self, sign: &'static str) -> Parsed<bool> {
        let found = self.token == Token::Sign(sign);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn expect(&mut self, sign: &'static str) -> Parsed<()> {
        if self.take(sign)? { Ok(()) } else { Err(self.unexpected(&format!("`{sign}`"))) }
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(&self.token, Token::Name(name) if name == word)
    }

    fn take_word(&mut self, word: &str) -> Parsed<bool> {
        let found = self.is_word(word);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn unexpected(&self, wanted: &str) -> Problem {
        let found = match self.token {
            Token::End => "the end".to_owned(),
            _ => format!("`{}`", &self.source[self.span.clone()]),
        };
        Problem::error(self.span.clone(), format!("expected {wanted}, found {found}"))
    }

    fn link(&mut self) -> Parsed<()> {
        self.links += 1;
        if self.links > EXPRESSION_LINKS_MAX {
            return Err(Problem::error(self.span.clone(), format!("the expression has more than {EXPRESSION_LINKS_MAX} operations")));
        }
        Ok(())
    }

    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Parsed) -> Parsed {
        self.depth += 1;
        if self.depth > EXPRESSION_DEPTH_MAX {
            return Err(Problem::error(self.span.clone(), format!("the expression nests deeper than {EXPRESSION_DEPTH_MAX} levels")));
        }
        let node = read(self)?;
        self.depth -= 1;
        Ok(node)
    }

    fn expression(&mut self) -> Parsed {
        self.nested(|parser| {
            let mut node = parser.or()?;
            while parser.take_word("if")? {
                parser.link()?;
                let test = Box::new(parser.or()?);
                let otherwise = if parser.take_word("else")? { Some(Box::new(parser.expression()?)) } else { None };
                node = Node::If { test, then: Box::new(node), otherwise };
            }
            Ok(node)
        })
    }

    fn or(&mut self) -> Parsed {
        let mut node = self.and()?;
        while self.take_word("or")? {
            self.link()?;
            node = Node::Or(Box::new(node), Box::new(self.and()?));
        }
        Ok(node)
    }

    fn and(&mut self) -> Parsed {
        let mut node = self.not()?;
        while self.take_word("and")? {
            self.link()?;
            node = Node::And(Box::new(node), Box::new(self.not()?));
        }
        Ok(node)
    }

    fn not(&mut self) -> Parsed {
        if self.take_word("not")? {
            let of = self.nested(Self::not)?;
            return Ok(Node::Not(Box::new(of)));
        }
        self.compare()
    }

    fn compare(&mut self) -> Parsed {
        let first = self.sum()?;
        let mut rest = Vec::new();
        while let Some(comparison) = self.comparison()? {
            self.link()?;
            rest.push((comparison, self.sum()?));
        }
        if rest.is_empty() {
            return Ok(first);
        }
        Ok(Node::Compare(Box::new(first), rest))
    }

    fn comparison(&mut self) -> Parsed<Option<Comparison>> {
        let comparison = match &self.token {
            Token::Sign("==") => Comparison::Equal,
            Token::Sign("!=") => Comparison::NotEqual,
            Token::Sign("<") => Comparison::Less,
            Token::Sign("<=") => Comparison::LessOrEqual,
            Token::Sign(">") => Comparison::Greater,
            Token::Sign(">=") => Comparison::GreaterOrEqual,
            Token::Name(name) if name == "in" => Comparison::In,
            Token::Name(name) if name == "not" => {
                self.advance()?;
                if !self.is_word("in") {
                    return Err(self.unexpected("`in` after `not`"));
                }
                Comparison::NotIn
            }
            _ => return Ok(None),
        };
        self.advance()?;
        Ok(Some(comparison))
    }

    fn sum(&mut self) -> Parsed {
        self.chain(Self::join, &[("+", Operation::Add), ("-", Operation::Subtract)])
    }

    fn join(&mut self) -> Parsed {
        self.chain(Self::product, &[("~", Operation::Join)])
    }

    fn product(&mut self) -> Parsed {
        let operations = [("*", Operation::Multiply), ("/", Operation::Divide), ("//", Operation::DivideFloor), ("%", Operation::Remainder)];
        self.chain(Self::power, &operations)
    }

    fn power(&mut self) -> Parsed {
        self.chain(Self::unary, &[("**", Operation::Power)])
    }

    fn chain(&mut self, operand: fn(&mut Self) -> Parsed, operations: &[(&'static str, Operation)]) -> Parsed {
        let mut node = operand(self)?;
        loop {
            let Some((_, operation)) = operations.iter().find(|(sign, _)| self.token == Token::Sign(sign)) else {
                return Ok(node);
            };
            self.link()?;
            self.advance()?;
            node = Node::Binary(*operation, Box::new(node), Box::new(operand(self)?));
        }
    }

    fn unary(&mut self) -> Parsed {
        let node = self.signed()?;
        self.filters(node)
    }

    /// As in Jinja, a sign covers accesses but not filters: `-a.b|abs` is `(-(a.b))|abs`.
    fn signed(&mut self) -> Parsed {
        if self.take("-")? {
            let of = self.nested(Self::signed)?;
            return Ok(Node::Negate(Box::new(of)));
        }
        let start = self.span.start;
        let node = self.primary()?;
        self.accesses(node, start)
    }

    fn primary(&mut self) -> Parsed {
        let span = self.span.clone();
        match self.advance()? {
            Token::Text(text) => Ok(Node::Constant(Value::String(text))),
            Token::Int(int) => match super::operate::int_value(int) {
                Some(value) => Ok(Node::Constant(value)),
                None => Err(Problem::error(span, "the number is too large")),
            },
            Token::Float(float) => Ok(Node::Constant(Number::from_f64(float).map_or(Value::Null, Value::Number))),
            Token::Sign("(") => {
                let node = self.expression()?;
                if self.token == Token::Sign(",") {
                    return Err(self.unexpected("`)`").with_help("write a list as `[a, b]`"));
                }
                self.expect(")")?;
                Ok(node)
            }
            Token::Sign("[") => Ok(Node::List(self.items("]")?)),
            Token::Sign("{") => self.map(),
            Token::Name(name) => self.name(&name, span),
            _ => {
                self.seek(span.start)?;
                Err(self.unexpected("a value"))
            }
        }
    }

    fn items(&mut self, close: &'static str) -> Parsed<Vec<Node>> {
        let mut items = Vec::new();
        while !self.take(close)? {
            if !items.is_empty() {
                self.expect(",")?;
                if self.take(close)? {
                    break;
                }
            }
            items.push(self.expression()?);
        }
        Ok(items)
    }

    fn map(&mut self) -> Parsed {
        let mut entries = Vec::new();
        while !self.take("}")? {
            if !entries.is_empty() {
                self.expect(",")?;
                if self.take("}")? {
                    break;
                }
            }
            let key = self.expression()?;
            self.expect(":")?;
            entries.push((key, self.expression()?));
        }
        Ok(Node::Map(entries))
    }

    fn name(&mut self, name: &str, span: Range<usize>) -> Parsed {
        match name {
            "true" | "True" => return Ok(Node::Constant(Value::Bool(true))),
            "false" | "False" => return Ok(Node::Constant(Value::Bool(false))),
            "none" | "None" | "null" => return Ok(Node::Constant(Value::Null)),
            "not" | "and" | "or" | "in" | "is" | "if" | "else" => {
                self.seek(span.start)?;
                return Err(self.unexpected("a value"));
            }
            _ => {}
        }
        if self.token == Token::Sign("(") {
            if name == "range" {
                self.advance()?;
                return Ok(Node::Range(self.items(")")?));
            }
            let Some(filter) = as_filter(name).and_then(Filter::find) else {
                return Err(Problem::error(span, format!("there is no function `{name}`"))
                    .with_help(format!("the functions are `range`, `len`, `str`, `int` and `float`; a filter is written `value | {name}`")));
            };
            self.advance()?;
            let mut items = self.items(")")?;
            return match (items.pop(), items.is_empty()) {
                (Some(of), true) => Ok(Node::Filter { of: Box::new(of), filter, arguments: Arguments::default() }),
                _ => Err(Problem::error(span, format!("`{name}` takes one value"))),
            };
        }
        self.static_path(name, span.start)
    }

    /// A name with every access after it that needs no value to be known.
    fn static_path(&mut self, name: &str, start: usize) -> Parsed {
        let mut segments = vec![Segment::Key(name.to_owned())];
        let mut end = start + name.len();
        loop {
            let next = match self.token {
                Token::Sign(".") => self.dotted(self.span.end, name == "steps" && segments.len() == 1),
                Token::Sign("[") => self.bracketed(self.span.end)?,
                _ => None,
            };
            let Some((segment, after)) = next else {
                break;
            };
            segments.push(segment);
            end = after;
            self.seek(end)?;
            self.link()?;
        }
        self.reference(segments, start..end)
    }

    /// The word after a dot, if it is not a method. A step's id may hold dashes: `steps.run-tests` alone has no value
    /// that `tests` could be taken from, so there is only one reading.
    fn dotted(&self, at: usize, is_step_id: bool) -> Option<(Segment, usize)> {
        let word = self.word_at(at, is_step_id)?;
        let end = at + word.len();
        (!self.source[end..].trim_start().starts_with('(')).then(|| (path::segment_of(word), end))
    }

    fn word_at(&self, at: usize, with_dashes: bool) -> Option<&str> {
        let rest = &self.source[at..];
        let len = rest.find(|char: char| !(char.is_ascii_alphanumeric() || char == '_' || (with_dashes && char == '-'))).unwrap_or(rest.len());
        (len > 0).then(|| &rest[..len])
    }

    fn bracketed(&self, at: usize) -> Parsed<Option<(Segment, usize)>> {
        let (key, span) = token::read(self.source, at)?;
        let segment = match key {
            Token::Text(key) => Segment::Key(key),
            Token::Int(index) => match usize::try_from(index) {
                Ok(index) => Segment::Index(index),
                Err(_) => return Ok(None),
            },
            _ => return Ok(None),
        };
        let (close, close_span) = token::read(self.source, span.end)?;
        Ok((close == Token::Sign("]")).then_some((segment, close_span.end)))
    }

    fn reference(&mut self, segments: Vec<Segment>, span: Range<usize>) -> Parsed {
        if self.references.len() >= TEMPLATE_REFERENCES_MAX {
            return Err(Problem::error(span, format!("the text has more than {TEMPLATE_REFERENCES_MAX} references")));
        }
        let mut reference = path::reference(segments, &self.source[span.clone()], span.start)?;
        reference.span = span.start + self.offset..span.end + self.offset;
        self.references.push(reference);
        Ok(Node::Reference(self.references.len() - 1))
    }
}

/// The filter that does what a function of Python does that its people write: `len(x)` is `x | length`.
fn as_filter(function: &str) -> Option<&'static str> {
    Some(match function {
        "len" => "length",
        "str" => "string",
        "int" => "int",
        "float" => "float",
        _ => return None,
    })
}
