//! A conversation with a model: put together from the requests and answers of an attempt, each of which stands in the log once.

use std::sync::Arc;

use crate::call::{Message, Metering, ModelAnswer, ModelRequest, Outcome, Request};

/// The conversation of an attempt so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Talk {
    /// The request that began it.
    opening: Arc<Request>,
    /// What was said since, up to the request before the last.
    messages: Vec<Arc<Message>>,
    /// A bound on the tokens of `messages`.
    tokens_bound: u64,
    /// The last request, and the place of its answer in the journal.
    last: (Arc<Request>, u32),
    /// Tokens that its calls were charged, those included of which nobody knows what they used.
    charged_tokens: u64,
}

impl Talk {
    /// A conversation that begins, or begins again after so many tokens.
    pub(super) fn begin(opening: Arc<Request>, place: u32, charged_tokens: u64) -> Self {
        Self { last: (Arc::clone(&opening), place), opening, messages: Vec::new(), tokens_bound: 0, charged_tokens }
    }

    /// The next request of it. What the one before it said belongs to the conversation if it was answered.
    pub(super) fn go_on(&mut self, request: Arc<Request>, place: u32, journal: &[Outcome]) {
        // The same request again, after a crash.
        if place == self.last.1 {
            self.last.0 = request;
            return;
        }
        for message in self.since(journal) {
            self.tokens_bound = self.tokens_bound.saturating_add(message.tokens_bound());
            self.messages.push(message);
        }
        self.last = (request, place);
    }

    /// Whether a model answered in it.
    pub(super) fn is_answered(&self, journal: &[Outcome]) -> bool {
        !self.messages.is_empty() || !self.since(journal).is_empty()
    }

    /// A call of it was charged these tokens.
    pub(super) fn charge(&mut self, tokens: u64) {
        self.charged_tokens = self.charged_tokens.saturating_add(tokens);
    }

    /// What was charged so far counts against no limit any more.
    pub(super) fn forget_charges(&mut self) {
        self.charged_tokens = 0;
    }

    /// Tokens that its calls were charged so far.
    pub(crate) fn charged_tokens(&self) -> u64 {
        self.charged_tokens
    }

    /// What the last request said and was answered, if it was answered.
    fn since(&self, journal: &[Outcome]) -> Vec<Arc<Message>> {
        let (request, place) = &self.last;
        let Some(Outcome::Succeeded { value, .. }) = journal.get(*place as usize) else { return Vec::new() };
        let Ok(answer) = value.parse::<ModelAnswer>() else { return Vec::new() };
        let asked = match &**request {
            Request::Model(request) if request.follows => request.messages.as_slice(),
            _ => &[],
        };
        asked.iter().cloned().chain([Arc::new(answer.message())]).collect()
    }

    /// How long the conversation was when its last answer came, in tokens, if that was told: what follows is longer.
    pub(crate) fn tokens_told(&self, journal: &[Outcome]) -> Option<u64> {
        match journal.get(self.last.1 as usize)? {
            Outcome::Succeeded { metering: Metering::Reported(usage), .. } => Some(usage.prompt().saturating_add(usage.output_text)),
            _ => None,
        }
    }

    /// A bound on the tokens of the prompt of a request that would follow at this place.
    pub(crate) fn tokens_bound_of(&self, request: &ModelRequest, place: u32, journal: &[Outcome]) -> u64 {
        let opening = if let Request::Model(opening) = &*self.opening { opening.input_tokens_bound() } else { 0 };
        let since = if place == self.last.1 { Vec::new() } else { self.since(journal) };
        let since = since.iter().fold(0_u64, |sum, message| sum.saturating_add(message.tokens_bound()));
        opening.saturating_add(self.tokens_bound).saturating_add(since).saturating_add(request.input_tokens_bound())
    }

    /// A request that follows, made whole: the opening with all that was said since.
    pub(crate) fn whole(&self, request: &ModelRequest) -> ModelRequest {
        let Request::Model(opening) = &*self.opening else { return request.clone() };
        ModelRequest {
            provider: request.provider.clone(),
            model: request.model.clone(),
            messages: self.messages.iter().chain(&request.messages).cloned().collect(),
            output_tokens_max: request.output_tokens_max,
            temperature: request.temperature,
            effort: request.effort.clone(),
            follows: false,
            ..opening.clone()
        }
    }
}
