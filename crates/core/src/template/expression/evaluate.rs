//! The walk over a parsed expression.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::super::error::RenderError;
use super::super::limits::RANGE_ITEMS_MAX;
use super::super::reference::{Reference, Scope};
use super::super::value::kind_of;
use super::calls::Given;
use super::meter::{Fault, Meter, fault};
use super::node::{Arguments, Comparison, Node, Test};
use super::operate;

/// What a node stands for: a value, or something that is not there, by the name it has in messages.
enum Operand<'e> {
    Missing(&'e str),
    Found(Cow<'e, Value>),
}

type Evaluated<'e> = Result<Cow<'e, Value>, Fault>;

pub(super) struct Machine<'e> {
    references: &'e [Reference],
    scope: &'e dyn Scope,
    meter: Meter,
}

impl<'e> Machine<'e> {
    pub(super) fn new(references: &'e [Reference], scope: &'e dyn Scope) -> Self {
        Self { references, scope, meter: Meter::new() }
    }

    /// The node's value, which must be there.
    pub(super) fn value(&mut self, node: &'e Node) -> Evaluated<'e> {
        match self.operand(node)? {
            Operand::Found(value) => Ok(value),
            Operand::Missing(path) => Err(Fault::Render(RenderError::Unresolved { path: path.to_owned() })),
        }
    }

    fn operand(&mut self, node: &'e Node) -> Result<Operand<'e>, Fault> {
        self.meter.burn(1)?;
        match node {
            Node::Reference(at) => {
                let reference = &self.references[*at];
                Ok(match reference.find(self.scope)? {
                    Some(value) => Operand::Found(value),
                    None => Operand::Missing(&reference.text),
                })
            }
            Node::Index { of, key, text } => self.index(of, key, text),
            Node::If { test, then, otherwise } => {
                if self.holds(test)? {
                    self.operand(then)
                } else {
                    match otherwise {
                        Some(otherwise) => self.operand(otherwise),
                        None => Ok(Operand::Missing("the missing `else`")),
                    }
                }
            }
            other => self.computed(other).map(Operand::Found),
        }
    }

    fn computed(&mut self, node: &'e Node) -> Evaluated<'e> {
        match node {
            Node::Constant(value) => Ok(Cow::Borrowed(value)),
            Node::List(items) => self.list(items),
            Node::Map(entries) => self.map(entries),
            Node::Negate(of) => {
                let of = self.value(of)?;
                operate::negate(&of).map(Cow::Owned)
            }
            Node::Not(of) => self.holds(of).map(|holds| bool_value(!holds)),
            Node::And(left, right) => {
                let left = self.value(left)?;
                if operate::is_true(&left) { self.value(right) } else { Ok(left) }
            }
            Node::Or(left, right) => {
                let left = self.value(left)?;
                if operate::is_true(&left) { Ok(left) } else { self.value(right) }
            }
            Node::Binary(operation, left, right) => {
                let left = self.value(left)?;
                let right = self.value(right)?;
                operate::binary(&mut self.meter, *operation, &left, &right).map(Cow::Owned)
            }
            Node::Compare(first, rest) => self.compare(first, rest),
            Node::Slice { of, from, to, step } => self.slice(of, [from, to, step]),
            Node::Default { of, value, for_false } => self.default(of, value.as_deref(), *for_false),
            Node::IsDefined(of) => {
                let operand = self.operand(of)?;
                Ok(bool_value(matches!(operand, Operand::Found(_))))
            }
            Node::Test { of, test, argument } => self.test(of, *test, argument.as_deref()),
            Node::Filter { of, filter, arguments } => {
                let of = self.value(of)?;
                let given = self.arguments(arguments)?;
                (filter.run)(&mut self.meter, of, &given)
            }
            Node::Method { of, method, arguments } => {
                let of = self.value(of)?;
                let given = self.arguments(arguments)?;
                (method.run)(&mut self.meter, of, &given)
            }
            Node::Range(bounds) => self.range(bounds),
            Node::Reference(_) | Node::Index { .. } | Node::If { .. } => self.value(node),
        }
    }

    fn holds(&mut self, node: &'e Node) -> Result<bool, Fault> {
        self.value(node).map(|value| operate::is_true(&value))
    }

    fn list(&mut self, items: &'e [Node]) -> Evaluated<'e> {
        let mut made = Vec::with_capacity(items.len());
        for item in items {
            let item = self.value(item)?;
            made.push(self.meter.own(item)?);
        }
        Ok(Cow::Owned(Value::Array(made)))
    }

    fn map(&mut self, entries: &'e [(Node, Node)]) -> Evaluated<'e> {
        let mut made = Map::new();
        for (key, item) in entries {
            let key = self.value(key)?;
            let Some(key) = key.as_str().map(str::to_owned) else {
                return fault(format!("a key of an object is text, not {}", kind_of(&key)));
            };
            let item = self.value(item)?;
            let item = self.meter.own(item)?;
            self.meter.make(key.len())?;
            made.insert(key, item);
        }
        Ok(Cow::Owned(Value::Object(made)))
    }

    fn compare(&mut self, first: &'e Node, rest: &'e [(Comparison, Node)]) -> Evaluated<'e> {
        let mut left = self.value(first)?;
        for (comparison, right) in rest {
            let right = self.value(right)?;
            if !operate::compare(&mut self.meter, *comparison, &left, &right)? {
                return Ok(bool_value(false));
            }
            left = right;
        }
        Ok(bool_value(true))
    }

    fn index(&mut self, of: &'e Node, key: &'e Node, text: &'e str) -> Result<Operand<'e>, Fault> {
        let of = match self.operand(of)? {
            Operand::Missing(path) => return Ok(Operand::Missing(path)),
            Operand::Found(of) => of,
        };
        let key = self.value(key)?;
        let found = match of {
            Cow::Borrowed(of) => operate::index(of, &key).map(|found| match found {
                Cow::Borrowed(found) => Cow::Borrowed(found),
                Cow::Owned(char) => Cow::Owned(char),
            }),
            Cow::Owned(of) => match operate::index(&of, &key) {
                Some(found) => Some(Cow::Owned(self.meter.own(found)?)),
                None => None,
            },
        };
        Ok(found.map_or(Operand::Missing(text), Operand::Found))
    }

    fn slice(&mut self, of: &'e Node, bounds: [&'e Option<Box<Node>>; 3]) -> Evaluated<'e> {
        let of = self.value(of)?;
        let mut at = [None; 3];
        for (at, bound) in at.iter_mut().zip(bounds) {
            if let Some(bound) = bound {
                let bound = self.value(bound)?;
                match bound.as_i64() {
                    Some(int) => *at = Some(int),
                    None if bound.is_null() => {}
                    None => {
                        return fault(format!("a bound of a slice is a whole number, not {}", kind_of(&bound)));
                    }
                }
            }
        }
        operate::slice(&mut self.meter, &of, at).map(Cow::Owned)
    }

    fn default(&mut self, of: &'e Node, value: Option<&'e Node>, for_false: bool) -> Evaluated<'e> {
        if let Operand::Found(found) = self.operand(of)?
            && !found.is_null()
            && (!for_false || operate::is_true(&found))
        {
            return Ok(found);
        }
        match value {
            Some(value) => self.value(value),
            None => Ok(Cow::Owned(Value::String(String::new()))),
        }
    }

    fn test(&mut self, of: &'e Node, test: Test, argument: Option<&'e Node>) -> Evaluated<'e> {
        let of = self.value(of)?;
        let argument = match argument {
            Some(argument) => self.value(argument)?,
            None => Cow::Owned(Value::Null),
        };
        operate::test(&mut self.meter, test, &of, &argument).map(bool_value)
    }

    fn arguments(&mut self, arguments: &'e Arguments) -> Result<Given<'e>, Fault> {
        let mut given = Given::default();
        for argument in &arguments.by_position {
            given.by_position.push(self.value(argument)?);
        }
        for (name, argument) in &arguments.by_name {
            given.by_name.push((name, self.value(argument)?));
        }
        Ok(given)
    }

    fn range(&mut self, bounds: &'e [Node]) -> Evaluated<'e> {
        let mut ints = Vec::with_capacity(3);
        for bound in bounds {
            let bound = self.value(bound)?;
            match bound.as_i64() {
                Some(int) => ints.push(int),
                None => {
                    return fault(format!("`range` takes whole numbers, not {}", kind_of(&bound)));
                }
            }
        }
        let (from, to, step) = match ints.as_slice() {
            [to] => (0, *to, 1),
            [from, to] => (*from, *to, 1),
            [from, to, step] if *step != 0 => (*from, *to, *step),
            _ => return fault("`range` takes an end, or a start, an end and a step that is not 0"),
        };
        let (from, step) = (i128::from(from), i128::from(step));
        let span = if step > 0 { i128::from(to) - from } else { from - i128::from(to) };
        let count = (span.max(0) + step.abs() - 1) / step.abs();
        let Some(count) = usize::try_from(count).ok().filter(|count| *count <= RANGE_ITEMS_MAX) else {
            return fault(format!("a `range` has at most {RANGE_ITEMS_MAX} elements"));
        };
        self.meter.burn(count)?;
        self.meter.make(count * size_of::<Value>())?;
        let items = (0_i128..).take(count).filter_map(|at| operate::int_value(from + at * step));
        Ok(Cow::Owned(Value::Array(items.collect())))
    }
}

fn bool_value<'e>(bool: bool) -> Cow<'e, Value> {
    Cow::Owned(Value::Bool(bool))
}
