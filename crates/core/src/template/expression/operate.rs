//! Operators, comparisons, accesses and tests.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Number, Value};

use super::super::value::{kind_of, size_of, text_of};
use super::meter::{Fault, Meter, fault};
use super::node::{Comparison, Operation, Test};

/// A number for arithmetic. 128 bits, so that the product of two 64-bit numbers is known to fit or not.
#[derive(Debug, Clone, Copy)]
pub(super) enum Numeric {
    Int(i128),
    Float(f64),
}

impl Numeric {
    pub(super) fn of(value: &Value) -> Option<Self> {
        let number = value.as_number()?;
        if let Some(int) = number.as_i64() {
            return Some(Self::Int(i128::from(int)));
        }
        if let Some(int) = number.as_u64() {
            return Some(Self::Int(i128::from(int)));
        }
        number.as_f64().map(Self::Float)
    }

    #[expect(clippy::cast_precision_loss, reason = "mixing whole numbers with floats rounds, as everywhere")]
    pub(super) fn float(self) -> f64 {
        match self {
            Self::Int(int) => int as f64,
            Self::Float(float) => float,
        }
    }

    pub(super) fn value(self) -> Result<Value, Fault> {
        let value = match self {
            Self::Int(int) => int_value(int),
            Self::Float(float) => Number::from_f64(float).map(Value::Number),
        };
        value.map_or_else(|| fault("the result is too large for a number"), Ok)
    }

    fn order(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a.cmp(&b),
            (a, b) => a.float().total_cmp(&b.float()),
        }
    }
}

pub(super) fn int_value(int: i128) -> Option<Value> {
    i64::try_from(int).map(Value::from).or_else(|_| u64::try_from(int).map(Value::from)).ok()
}

pub(super) fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(bool) => *bool,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

pub(super) fn negate(value: &Value) -> Result<Value, Fault> {
    match Numeric::of(value) {
        Some(Numeric::Int(int)) => Numeric::Int(-int).value(),
        Some(Numeric::Float(float)) => Numeric::Float(-float).value(),
        None => fault(format!("`-` takes a number, not {}", kind_of(value))),
    }
}

pub(super) fn binary(meter: &mut Meter, operation: Operation, left: &Value, right: &Value) -> Result<Value, Fault> {
    match (operation, left, right) {
        (Operation::Join, ..) => join(meter, left, right),
        (Operation::Add, Value::String(a), Value::String(b)) => {
            meter.make(a.len() + b.len())?;
            Ok(Value::String([a.as_str(), b].concat()))
        }
        (Operation::Add, Value::Array(a), Value::Array(b)) => {
            meter.make(size_of(left, usize::MAX / 2))?;
            meter.make(size_of(right, usize::MAX / 2))?;
            Ok(Value::Array(a.iter().chain(b).cloned().collect()))
        }
        (Operation::Multiply, Value::String(text), count) | (Operation::Multiply, count, Value::String(text)) => {
            let Some(count) = count.as_u64().and_then(|count| usize::try_from(count).ok()) else {
                return fault(format!("text is repeated by a whole number, not by {}", kind_of(count)));
            };
            meter.make(text.len().saturating_mul(count))?;
            Ok(Value::String(text.repeat(count)))
        }
        _ => match (Numeric::of(left), Numeric::of(right)) {
            (Some(a), Some(b)) => arithmetic(operation, a, b),
            _ => fault(format!("`{}` does not take {} and {}", sign(operation), kind_of(left), kind_of(right))),
        },
    }
}

fn sign(operation: Operation) -> &'static str {
    match operation {
        Operation::Add => "+",
        Operation::Subtract => "-",
        Operation::Multiply => "*",
        Operation::Divide => "/",
        Operation::DivideFloor => "//",
        Operation::Remainder => "%",
        Operation::Power => "**",
        Operation::Join => "~",
    }
}

fn join(meter: &mut Meter, left: &Value, right: &Value) -> Result<Value, Fault> {
    let mut joined = String::new();
    for value in [left, right] {
        // Written as JSON a text takes at most six bytes a character; most take one, and the result is bounded again.
        meter.make(size_of(value, usize::MAX / 2))?;
        match text_of(value) {
            Some(text) => joined.push_str(&text),
            None => return fault("`~` cannot write null; give it a default"),
        }
    }
    Ok(Value::String(joined))
}

fn arithmetic(operation: Operation, a: Numeric, b: Numeric) -> Result<Value, Fault> {
    if let (Numeric::Int(a), Numeric::Int(b)) = (a, b)
        && let Some(int) = whole(operation, a, b)?
    {
        return Numeric::Int(int).value();
    }
    let (a, b) = (a.float(), b.float());
    let divides = matches!(operation, Operation::Divide | Operation::DivideFloor | Operation::Remainder);
    if divides && b == 0.0 {
        return fault("a division by zero");
    }
    let result = match operation {
        Operation::Add => a + b,
        Operation::Subtract => a - b,
        Operation::Multiply => a * b,
        Operation::Divide => a / b,
        Operation::DivideFloor => (a / b).floor(),
        Operation::Remainder => a - b * (a / b).floor(),
        Operation::Power => a.powf(b),
        Operation::Join => return fault("`~` joins text"),
    };
    Numeric::Float(result).value()
}

/// Whole-number arithmetic; `None` where the result is a fraction by nature.
fn whole(operation: Operation, a: i128, b: i128) -> Result<Option<i128>, Fault> {
    let result = match operation {
        Operation::Add => a.checked_add(b),
        Operation::Subtract => a.checked_sub(b),
        Operation::Multiply => a.checked_mul(b),
        Operation::DivideFloor | Operation::Remainder if b == 0 => {
            return fault("a division by zero");
        }
        Operation::DivideFloor => {
            let rounds_down = a % b != 0 && (a < 0) != (b < 0);
            Some(a / b - i128::from(rounds_down))
        }
        Operation::Remainder => Some(((a % b) + b) % b),
        Operation::Power => match u32::try_from(b) {
            Ok(power) => a.checked_pow(power),
            Err(_) if b < 0 => return Ok(None),
            Err(_) => None,
        },
        Operation::Divide | Operation::Join => return Ok(None),
    };
    result.map_or_else(|| fault("the result is too large for a number"), |int| Ok(Some(int)))
}

pub(super) fn compare(meter: &mut Meter, comparison: Comparison, a: &Value, b: &Value) -> Result<bool, Fault> {
    Ok(match comparison {
        Comparison::Equal => equal(meter, a, b)?,
        Comparison::NotEqual => !equal(meter, a, b)?,
        Comparison::Less => order(meter, a, b)?.is_lt(),
        Comparison::LessOrEqual => order(meter, a, b)?.is_le(),
        Comparison::Greater => order(meter, a, b)?.is_gt(),
        Comparison::GreaterOrEqual => order(meter, a, b)?.is_ge(),
        Comparison::In => contains(meter, b, a)?,
        Comparison::NotIn => !contains(meter, b, a)?,
    })
}

pub(super) fn equal(meter: &mut Meter, a: &Value, b: &Value) -> Result<bool, Fault> {
    meter.burn(1)?;
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (a, b) in a.iter().zip(b) {
                if !equal(meter, a, b)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Object(a), Value::Object(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (key, a) in a {
                match b.get(key) {
                    Some(b) if equal(meter, a, b)? => {}
                    _ => return Ok(false),
                }
            }
            Ok(true)
        }
        (Value::Number(_), Value::Number(_)) => Ok(order(meter, a, b)?.is_eq()),
        _ => Ok(a == b),
    }
}

/// The order of two values of one kind: numbers, text by its bytes, false before true, lists by their elements. Values of
/// different kinds have none. An order between them, as minijinja and Python 2 have it, makes every text greater than every
/// number: a confidence of `"0.1"` would pass a rule that wants more than 0.8.
pub(super) fn order(meter: &mut Meter, a: &Value, b: &Value) -> Result<Ordering, Fault> {
    meter.burn(1)?;
    Ok(match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::String(a), Value::String(b)) => {
            meter.read(a)?;
            a.cmp(b)
        }
        (Value::Number(_), Value::Number(_)) => match (Numeric::of(a), Numeric::of(b)) {
            // -0.0 and 0.0 are one number.
            (Some(a), Some(b)) if a.float() == 0.0 && b.float() == 0.0 => Ordering::Equal,
            (Some(a), Some(b)) => a.order(b),
            _ => Ordering::Equal,
        },
        (Value::Array(a), Value::Array(b)) => {
            for (a, b) in a.iter().zip(b) {
                let order = order(meter, a, b)?;
                if order.is_ne() {
                    return Ok(order);
                }
            }
            a.len().cmp(&b.len())
        }
        _ => {
            let cure = if a.is_string() || b.is_string() { "; `| float` and `| int` read a number from text" } else { "" };
            return fault(format!("{} and {} have no order{cure}", kind_of(a), kind_of(b)));
        }
    })
}

fn contains(meter: &mut Meter, container: &Value, element: &Value) -> Result<bool, Fault> {
    match container {
        Value::String(text) => {
            meter.read(text)?;
            Ok(text_of(element).is_some_and(|part| text.contains(part.as_ref())))
        }
        Value::Array(items) => {
            for item in items {
                if equal(meter, item, element)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Value::Object(map) => Ok(element.as_str().is_some_and(|key| map.contains_key(key))),
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            fault(format!("`in` looks into text, a list or an object, not into {}", kind_of(container)))
        }
    }
}

/// The element at a key or position; a position may count from the end.
pub(super) fn index<'v>(of: &'v Value, key: &Value) -> Option<Cow<'v, Value>> {
    match (of, key) {
        (Value::Object(map), Value::String(key)) => map.get(key).map(Cow::Borrowed),
        (Value::Object(map), Value::Number(key)) => map.get(&key.to_string()).map(Cow::Borrowed),
        (Value::Array(items), Value::Number(key)) => {
            let at = key.as_i64()?;
            let at = if at < 0 { at.checked_add_unsigned(items.len() as u64)? } else { at };
            items.get(usize::try_from(at).ok()?).map(Cow::Borrowed)
        }
        (Value::Array(items), Value::String(key)) => items.get(key.parse::<usize>().ok()?).map(Cow::Borrowed),
        (Value::String(text), Value::Number(key)) => {
            let at = key.as_i64()?;
            let char = match usize::try_from(at) {
                Ok(at) => text.chars().nth(at)?,
                Err(_) => text.chars().rev().nth(usize::try_from(-(at + 1)).ok()?)?,
            };
            Some(Cow::Owned(Value::String(char.to_string())))
        }
        _ => None,
    }
}

/// `of[from:to:step]`, with Python's reading of bounds that are negative or beyond the ends.
pub(super) fn slice(meter: &mut Meter, of: &Value, [from, to, step]: [Option<i64>; 3]) -> Result<Value, Fault> {
    let step = step.unwrap_or(1);
    if step == 0 {
        return fault("the step of a slice is not 0");
    }
    meter.make(size_of(of, usize::MAX / 2))?;
    match of {
        Value::String(text) => {
            let chars: Vec<char> = text.chars().collect();
            meter.make(chars.len() * 4)?;
            let picked = positions(chars.len(), from, to, step).filter_map(|at| chars.get(at));
            Ok(Value::String(picked.collect()))
        }
        Value::Array(items) => {
            let picked = positions(items.len(), from, to, step).filter_map(|at| items.get(at));
            Ok(Value::Array(picked.cloned().collect()))
        }
        _ => fault(format!("a slice takes text or a list, not {}", kind_of(of))),
    }
}

fn positions(len: usize, from: Option<i64>, to: Option<i64>, step: i64) -> impl Iterator<Item = usize> {
    let len = i64::try_from(len).unwrap_or(i64::MAX);
    let (low, high) = if step > 0 { (0, len) } else { (-1, len - 1) };
    let clamp = |bound: i64| {
        let bound = if bound < 0 { bound.saturating_add(len) } else { bound };
        bound.clamp(low, high)
    };
    let (first, end) = if step > 0 { (from.map_or(low, clamp), to.map_or(high, clamp)) } else { (from.map_or(high, clamp), to.map_or(low, clamp)) };
    let mut at = first;
    std::iter::from_fn(move || {
        let inside = if step > 0 { at < end } else { at > end };
        let here = usize::try_from(at).ok().filter(|_| inside)?;
        at = at.saturating_add(step);
        Some(here)
    })
}

pub(super) fn test(meter: &mut Meter, test: Test, of: &Value, argument: &Value) -> Result<bool, Fault> {
    let whole = || match Numeric::of(of) {
        Some(Numeric::Int(int)) => Some(int),
        Some(Numeric::Float(_)) | None => None,
    };
    let texts = || of.as_str().zip(argument.as_str());
    Ok(match test {
        Test::None => of.is_null(),
        Test::String => of.is_string(),
        Test::Number => of.is_number(),
        Test::Integer => whole().is_some(),
        Test::Float => of.is_f64(),
        Test::Boolean => of.is_boolean(),
        Test::Mapping => of.is_object(),
        Test::Sequence => of.is_array(),
        Test::Iterable => of.is_array() || of.is_object() || of.is_string(),
        Test::True => *of == Value::Bool(true),
        Test::False => *of == Value::Bool(false),
        Test::Odd => whole().is_some_and(|int| int % 2 != 0),
        Test::Even => whole().is_some_and(|int| int % 2 == 0),
        Test::DivisibleBy => match (whole(), argument.as_i64()) {
            (Some(int), Some(by)) if by != 0 => int % i128::from(by) == 0,
            _ => false,
        },
        Test::StartingWith => texts().is_some_and(|(text, start)| text.starts_with(start)),
        Test::EndingWith => texts().is_some_and(|(text, end)| text.ends_with(end)),
        Test::Compare(comparison) => compare(meter, comparison, of, argument)?,
    })
}
