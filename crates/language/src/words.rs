//! Words of the language that stand for one of several things.

use gorgon_core::definition::{Backoff, EffectClass, OnExhausted, OnInDoubt};
use gorgon_core::template::Operator;

/// A word and what it stands for.
pub(crate) type Words<T> = &'static [(&'static str, T)];

pub(crate) fn names<T>(words: Words<T>) -> Vec<&'static str> {
    words.iter().map(|(word, _)| *word).collect()
}

/// What may stand at `on_failure`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureWord {
    Abort,
    Retry,
    Skip,
    Fallback,
    Default,
}

pub(crate) const ON_FAILURE: Words<FailureWord> = &[
    ("abort", FailureWord::Abort),
    ("retry", FailureWord::Retry),
    ("skip", FailureWord::Skip),
    ("fallback", FailureWord::Fallback),
    ("continue_with_default", FailureWord::Default),
];

pub(crate) const BACKOFFS: Words<Backoff> = &[
    ("fixed", Backoff::Fixed),
    ("linear", Backoff::Linear),
    ("exponential", Backoff::Exponential),
    ("fibonacci", Backoff::Fibonacci),
    ("adaptive", Backoff::Adaptive),
];

pub(crate) const EFFECTS: Words<EffectClass> = &[
    (EffectClass::Pure.word(), EffectClass::Pure),
    (EffectClass::Repeatable.word(), EffectClass::Repeatable),
    (EffectClass::Idempotent.word(), EffectClass::Idempotent),
    (EffectClass::AtMostOnce.word(), EffectClass::AtMostOnce),
    (EffectClass::Irreversible.word(), EffectClass::Irreversible),
];

pub(crate) const IN_DOUBT: Words<OnInDoubt> = &[("retry", OnInDoubt::Retry), ("fail", OnInDoubt::Fail), ("ask", OnInDoubt::Ask)];

pub(crate) const ON_EXHAUSTED: Words<OnExhausted> = &[("fail", OnExhausted::Fail), ("pause", OnExhausted::Pause), ("ask", OnExhausted::Ask)];

pub(crate) const OPERATORS: Words<Operator> = &[
    ("equals", Operator::Equals),
    ("not_equals", Operator::NotEquals),
    ("contains", Operator::Contains),
    ("greater_than", Operator::GreaterThan),
    ("less_than", Operator::LessThan),
    ("in", Operator::In),
    ("not_empty", Operator::NotEmpty),
    ("is_true", Operator::IsTrue),
    ("is_false", Operator::IsFalse),
];
