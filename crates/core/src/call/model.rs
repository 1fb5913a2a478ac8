//! What is asked of a language model, and what it answers: in words of our own, which each provider's adapter turns into its wire.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Ask a model once. Its value is a [`ModelAnswer`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ModelRequest {
    /// The provider, by its configured name: `simulated`, `openai` …
    pub provider: String,
    /// The model, as the provider calls it.
    pub model: String,
    /// Instructions that stand above the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// What is asked: the first message of the conversation, by the user.
    pub prompt: String,
    /// What was said after the prompt, oldest first: answers of the model, results of its tools, corrections.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<Arc<Message>>,
    /// Tools that the model may ask for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolSpec>,
    /// The JSON that the last answer has to be; lowered to what the provider supports, and checked by the step in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<AnswerSchema>,
    /// Most tokens of the answer, reasoning included. Always sent.
    pub output_tokens_max: u64,
    /// Sampling temperature, where the model takes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// How hard it thinks, where the model takes such a word: `low`, `medium`, `high` …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effort: Option<String>,
    /// Whether this stands for the whole conversation of its attempt and only what is new of it: `messages` are those since the last answer, the rest
    /// is that of the request before. So a long conversation is stored once. Adapters never see such a request: it is made whole before it is sent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub follows: bool,
}

impl ModelRequest {
    /// Whether the simulator is asked. It answers only under its own name, so the name tells.
    #[must_use]
    pub fn is_simulated(&self) -> bool {
        self.provider == crate::money::SIMULATED
    }

    /// A sound bound on the tokens of the prompt: a byte-level tokenizer makes at most one token of each byte, and the overheads cover the provider's
    /// frame around the messages and tools.
    #[must_use]
    pub fn input_tokens_bound(&self) -> u64 {
        const OVERHEAD: u64 = 64;
        /// What a provider writes into the prompt to explain tools at all.
        const TOOLS: u64 = 1024;
        let texts = (self.prompt.len() + self.system.as_ref().map_or(0, String::len)) as u64;
        let messages = self.messages.iter().fold(0_u64, |sum, message| sum.saturating_add(message.tokens_bound()));
        let tools = self.tools.iter().fold(0_u64, |sum, tool| sum.saturating_add(tool.tokens_bound()));
        let answer = self.answer.as_ref().map_or(0, |answer| OVERHEAD + 2 * answer.schema.to_string().len() as u64);
        let frame = if self.tools.is_empty() { OVERHEAD } else { OVERHEAD + TOOLS };
        texts.saturating_add(messages).saturating_add(tools).saturating_add(answer).saturating_add(frame)
    }
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who says it.
    pub by: Speaker,
    /// What it is made of, in order.
    pub parts: Vec<Part>,
}

impl Message {
    /// A text by the user.
    #[must_use]
    pub fn user(text: impl Into<String>) -> Self {
        Self { by: Speaker::User, parts: vec![Part::Text(text.into())] }
    }

    /// A sound bound on its tokens.
    #[must_use]
    pub fn tokens_bound(&self) -> u64 {
        const FRAME: u64 = 16;
        self.parts.iter().fold(FRAME, |sum, part| sum.saturating_add(part.tokens_bound()))
    }
}

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// The one who asks; results of tools are theirs too.
    User,
    /// The model.
    Model,
}

/// How an answer was cut off that had no more room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutOff {
    /// By the cap that was sent with the question.
    MaxTokens,
    /// At the end of the model's context window.
    Window,
}

impl CutOff {
    /// What the word says by which an answer ended.
    #[must_use]
    pub fn of(finish_reason: &str) -> Option<Self> {
        match finish_reason {
            "length" => Some(Self::MaxTokens),
            "model_context_window_exceeded" => Some(Self::Window),
            _ => None,
        }
    }
}

/// A piece of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Text.
    Text(String),
    /// The model asks for a tool.
    ToolCall {
        /// The provider's name for this request; its result carries the same.
        id: String,
        /// Which tool.
        name: String,
        /// Its arguments: JSON text as the model wrote it, which may be broken.
        arguments: String,
    },
    /// What a tool gave.
    ToolResult {
        /// The id of the request.
        id: String,
        /// Which tool.
        name: String,
        /// What it gave.
        content: String,
        /// Whether that is an error.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
    },
    /// What only the provider that sent it understands, such as signed thinking: goes back to it unchanged and in place, and to no other.
    Opaque {
        /// The kind of provider that it belongs to: `anthropic`, `openai`.
        provider: String,
        /// The block as it came.
        block: Value,
    },
}

impl Part {
    fn tokens_bound(&self) -> u64 {
        const FRAME: u64 = 32;
        let bytes = match self {
            Self::Text(text) => text.len(),
            Self::ToolCall { id, name, arguments } => id.len() + name.len() + arguments.len(),
            Self::ToolResult { id, name, content, .. } => id.len() + name.len() + content.len(),
            Self::Opaque { block, .. } => block.to_string().len(),
        };
        FRAME.saturating_add(bytes as u64)
    }
}

/// A tool, as a model is told of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// Its name on the wire: `[A-Za-z0-9_-]{1,64}`.
    pub name: String,
    /// What it does.
    pub description: String,
    /// The JSON Schema of its arguments: an object.
    pub parameters: Value,
}

impl ToolSpec {
    fn tokens_bound(&self) -> u64 {
        const FRAME: u64 = 64;
        // Providers rewrite schemas into a form of their own, which is longer than compact JSON.
        FRAME.saturating_add((self.name.len() + self.description.len() + 2 * self.parameters.to_string().len()) as u64)
    }
}

/// The shape of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnswerSchema {
    /// A name for it on the wire: `[A-Za-z0-9_-]{1,64}`.
    pub name: String,
    /// The JSON Schema.
    pub schema: Value,
}

/// What a model answered.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelAnswer {
    /// The text of the answer: all its text parts, one after the other.
    pub text: String,
    /// The model that answered, as it calls itself.
    pub model: String,
    /// Why the answer ended, in one set of words for all providers: `stop`, `length`, `tool_calls`, `refusal`, `content_filter`, `pause`; any other is the
    /// provider's own word.
    pub finish_reason: String,
    /// What the answer is made of, if that is more than its text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
}

impl ModelAnswer {
    /// The answer as the next message of the conversation.
    #[must_use]
    pub fn message(&self) -> Message {
        let parts = if self.parts.is_empty() { vec![Part::Text(self.text.clone())] } else { self.parts.clone() };
        Message { by: Speaker::Model, parts }
    }
}
