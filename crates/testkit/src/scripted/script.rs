//! What the server does, as data: a list of rules, written in Rust by tests or read from JSON by the binary.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::price::{Counts, Price};

/// A whole script. The first rule that fits a request answers it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// What the server charges.
    pub price: Price,
    /// The rules, in the order in which they are looked at.
    pub rules: Vec<Rule>,
}

/// What to do with requests of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Which requests.
    #[serde(default)]
    pub when: When,
    /// How many of them, at most; then the rule is used up and the next one that fits answers.
    #[serde(default)]
    pub times: Option<u64>,
    /// What they have to hold. If they do not, the test has failed.
    #[serde(default)]
    pub expect: Expect,
    /// What is answered.
    pub reply: Reply,
    /// How the answer travels.
    #[serde(default)]
    pub deliver: Delivery,
}

/// Which requests a rule is for: those that meet every condition that is given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct When {
    /// A message of the user holds this text.
    pub prompt_contains: Option<String>,
    /// A message of the system holds this text.
    pub system_contains: Option<String>,
    /// The model is this one.
    pub model: Option<String>,
    /// It is the nth request, from 1, that meets the other conditions.
    pub nth: Option<u64>,
}

/// What a request has to hold.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expect {
    /// The cap on the answer is there and at most this.
    pub max_tokens_le: Option<u64>,
    /// The cap on the answer is there and at least this.
    pub max_tokens_ge: Option<u64>,
    /// Top-level fields of the body with these values; `null`: the field is not there.
    pub fields: BTreeMap<String, Value>,
    /// Headers with these values, names in lower case; `null`: the header is not there.
    pub headers: BTreeMap<String, Option<String>>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "a script has a few of them, and they are not moved about")]
pub enum Reply {
    /// An answer of the model. It is charged for.
    Answer(AnswerReply),
    /// An error in the shape of the interface. It is not charged for.
    Error(ErrorReply),
    /// Any bytes.
    Raw(RawReply),
    /// The connection is closed without a word.
    HangUp {
        /// What is charged for it all the same.
        #[serde(default)]
        billed: Option<Counts>,
    },
}

/// An answer of the model.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnswerReply {
    /// The text.
    pub text: String,
    /// What stands as `content` instead of the text: `null`, or a list of parts.
    pub content: Option<Value>,
    /// Tools that the answer asks for.
    pub tool_calls: Vec<ToolCall>,
    /// Why the model refuses.
    pub refusal: Option<String>,
    /// Why the answer ended; `stop` if not given.
    pub finish_reason: Option<String>,
    /// The model that the answer names; the one that was asked if not given.
    pub model: Option<String>,
    /// What the answer tells of its usage.
    pub usage: Usage,
    /// What is charged, if it is not what the answer tells.
    pub billed: Option<Counts>,
    /// Further headers.
    pub headers: BTreeMap<String, String>,
}

/// A tool that an answer asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// Its name.
    pub name: String,
    /// Its arguments: JSON text, or what a broken model makes of it.
    pub arguments: String,
}

/// What an answer tells of its usage.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Usage {
    /// Four bytes a token, within the cap.
    #[default]
    Counted,
    /// These counts, true or not.
    Is(Counts),
    /// Counts drawn from this seed and the prompt, within what the prompt and the cap allow.
    Seeded(u64),
    /// Nothing.
    Missing,
    /// This, whatever it is.
    Raw(Value),
}

/// An error in the shape of the interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorReply {
    /// The HTTP status.
    pub status: u16,
    /// `error.message`.
    #[serde(default)]
    pub message: String,
    /// `error.type`.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    /// `error.code`.
    #[serde(default)]
    pub code: Option<String>,
    /// Further headers, such as `retry-after`.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

/// Any bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawReply {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
    /// How many times over it is sent; 1 if not given.
    #[serde(default = "one")]
    pub repeat: usize,
    /// Further headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// What is charged for it all the same.
    #[serde(default)]
    pub billed: Option<Counts>,
}

fn one() -> usize {
    1
}

/// How an answer travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Delivery {
    /// How long the server thinks, in milliseconds.
    pub delay_ms: u64,
    /// The body leaves in pieces of so many bytes, which may cut characters.
    pub chunk_bytes: Option<usize>,
    /// Between two pieces, in milliseconds.
    pub chunk_delay_ms: u64,
    /// After so many bytes of the body the connection breaks.
    pub break_after_bytes: Option<usize>,
}

impl Script {
    /// Every request gets this reply.
    #[must_use]
    pub fn always(reply: Reply) -> Self {
        Self { price: Price::default(), rules: vec![Rule::new(reply)] }
    }

    /// With another rule at the end.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// At this price.
    #[must_use]
    pub fn at(mut self, price: Price) -> Self {
        self.price = price;
        self
    }
}

impl Rule {
    /// A rule for every request.
    #[must_use]
    pub fn new(reply: Reply) -> Self {
        Self { when: When::default(), times: None, expect: Expect::default(), reply, deliver: Delivery::default() }
    }

    /// Only for requests whose prompt holds this text.
    #[must_use]
    pub fn prompt(mut self, contains: &str) -> Self {
        self.when.prompt_contains = Some(contains.to_owned());
        self
    }

    /// Only so often.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Delivered like this.
    #[must_use]
    pub fn deliver(mut self, deliver: Delivery) -> Self {
        self.deliver = deliver;
        self
    }

    /// Expects this of requests.
    #[must_use]
    pub fn expect(mut self, expect: Expect) -> Self {
        self.expect = expect;
        self
    }
}

impl Reply {
    /// A text, counted honestly.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Answer(AnswerReply { text: text.to_owned(), ..AnswerReply::default() })
    }

    /// A tool is asked for.
    #[must_use]
    pub fn tool(name: &str, arguments: &str) -> Self {
        let call = ToolCall { name: name.to_owned(), arguments: arguments.to_owned() };
        Self::Answer(AnswerReply { tool_calls: vec![call], ..AnswerReply::default() })
    }

    /// A text with this usage.
    #[must_use]
    pub fn text_with(text: &str, usage: Usage) -> Self {
        Self::Answer(AnswerReply { text: text.to_owned(), usage, ..AnswerReply::default() })
    }

    /// An error with this status and code.
    #[must_use]
    pub fn error(status: u16, code: &str) -> Self {
        Self::Error(ErrorReply { status, message: format!("scripted {status}"), kind: None, code: Some(code.to_owned()), headers: BTreeMap::new() })
    }

    /// A body as it stands.
    #[must_use]
    pub fn raw(status: u16, body: &str) -> Self {
        Self::Raw(RawReply { status, body: body.to_owned(), repeat: 1, headers: BTreeMap::new(), billed: None })
    }

    /// With this header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match &mut self {
            Self::Answer(AnswerReply { headers, .. }) | Self::Error(ErrorReply { headers, .. }) | Self::Raw(RawReply { headers, .. }) => {
                headers.insert(name.to_owned(), value.to_owned());
            }
            Self::HangUp { .. } => {}
        }
        self
    }
}
