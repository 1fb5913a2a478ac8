//! A model server that plays a script over the real wire, keeps its own bill, and writes down what it saw before it answers.
//!
//! It speaks OpenAI's Chat Completions and Anthropic's Messages, streamed where a request asks for it, and has plain endpoints at `/effect/NAME` for steps that send HTTP requests. A request that no rule was written
//! for is a failure of the test, never a default answer.

mod delivery;
mod desk;
mod effect;
mod price;
mod question;
mod record;
mod script;
mod server;
mod usage;
mod wire;
mod witness;

pub use price::{Counts, Price};
pub use record::{Bill, Recorded};
pub use script::{AnswerReply, Delivery, ErrorReply, Expect, RawReply, Reply, Rule, Script, ToolCall, Usage, When};
pub use server::ScriptedServer;
pub use witness::{Witness, testify};
