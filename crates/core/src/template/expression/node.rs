//! A parsed expression.

use serde_json::Value;

use super::calls::{Filter, Method};

#[derive(Debug, Clone)]
pub(super) enum Node {
    Constant(Value),
    /// Position in the references that are kept beside the expression.
    Reference(usize),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    Negate(Box<Node>),
    Not(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Binary(Operation, Box<Node>, Box<Node>),
    /// `a < b <= c`: holds if each neighbouring pair does.
    Compare(Box<Node>, Vec<(Comparison, Node)>),
    If {
        test: Box<Node>,
        then: Box<Node>,
        otherwise: Option<Box<Node>>,
    },
    /// An access whose way is not static; `text` is the access as written.
    Index {
        of: Box<Node>,
        key: Box<Node>,
        text: String,
    },
    Slice {
        of: Box<Node>,
        from: Option<Box<Node>>,
        to: Option<Box<Node>>,
        step: Option<Box<Node>>,
    },
    Default {
        of: Box<Node>,
        value: Option<Box<Node>>,
        for_false: bool,
    },
    IsDefined(Box<Node>),
    Test {
        of: Box<Node>,
        test: Test,
        argument: Option<Box<Node>>,
    },
    Filter {
        of: Box<Node>,
        filter: &'static Filter,
        arguments: Arguments,
    },
    Method {
        of: Box<Node>,
        method: &'static Method,
        arguments: Arguments,
    },
    Range(Vec<Node>),
}

#[derive(Debug, Clone, Default)]
pub(super) struct Arguments {
    pub(super) by_position: Vec<Node>,
    pub(super) by_name: Vec<(String, Node)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    DivideFloor,
    Remainder,
    Power,
    Join,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Test {
    None,
    String,
    Number,
    Integer,
    Float,
    Boolean,
    Mapping,
    Sequence,
    Iterable,
    True,
    False,
    Odd,
    Even,
    DivisibleBy,
    StartingWith,
    EndingWith,
    Compare(Comparison),
}

/// Tests by name, with the number of their arguments. `defined` and `undefined` are not values' tests.
pub(super) const TESTS: [(&str, Test, usize); 31] = [
    ("none", Test::None, 0),
    ("null", Test::None, 0),
    ("string", Test::String, 0),
    ("number", Test::Number, 0),
    ("integer", Test::Integer, 0),
    ("int", Test::Integer, 0),
    ("float", Test::Float, 0),
    ("boolean", Test::Boolean, 0),
    ("mapping", Test::Mapping, 0),
    ("sequence", Test::Sequence, 0),
    ("iterable", Test::Iterable, 0),
    ("true", Test::True, 0),
    ("false", Test::False, 0),
    ("odd", Test::Odd, 0),
    ("even", Test::Even, 0),
    ("divisibleby", Test::DivisibleBy, 1),
    ("startingwith", Test::StartingWith, 1),
    ("endingwith", Test::EndingWith, 1),
    ("in", Test::Compare(Comparison::In), 1),
    ("eq", Test::Compare(Comparison::Equal), 1),
    ("equalto", Test::Compare(Comparison::Equal), 1),
    ("ne", Test::Compare(Comparison::NotEqual), 1),
    ("lt", Test::Compare(Comparison::Less), 1),
    ("lessthan", Test::Compare(Comparison::Less), 1),
    ("le", Test::Compare(Comparison::LessOrEqual), 1),
    ("gt", Test::Compare(Comparison::Greater), 1),
    ("greaterthan", Test::Compare(Comparison::Greater), 1),
    ("ge", Test::Compare(Comparison::GreaterOrEqual), 1),
    ("defined", Test::None, 0),
    ("undefined", Test::None, 0),
    ("sameas", Test::Compare(Comparison::Equal), 1),
];
