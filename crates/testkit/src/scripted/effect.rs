//! `/effect/NAME`: something that a request does to the world, for steps that send HTTP requests.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::record::Recorded;
use super::wire::{self, Prepared};

/// What the query of an effect asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Effect {
    pub(super) name: String,
    pub(super) delay: Duration,
    status: u16,
}

impl Effect {
    /// The effect of a path such as `/effect/mail?delay_ms=20&status=503`.
    pub(super) fn read(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/effect/")?;
        let (name, query) = rest.split_once('?').unwrap_or((rest, ""));
        let pairs: BTreeMap<&str, &str> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let number = |key: &str| pairs.get(key).and_then(|text| text.parse::<u64>().ok());
        let status = number("status").and_then(|status| u16::try_from(status).ok()).unwrap_or(200);
        Some(Self { name: name.to_owned(), delay: Duration::from_millis(number("delay_ms").unwrap_or(0)), status })
    }

    /// The answer to the request of this number: how often the effect happened, and how often with the same idempotency key.
    pub(super) fn answer(&self, n: u64, all: &[Recorded]) -> Prepared {
        let same = |record: &&Recorded| record.n <= n && Self::read(&record.path).is_some_and(|effect| effect.name == self.name);
        let key = all.iter().find(|record| record.n == n).and_then(|record| record.header("idempotency-key"));
        let with_key = key.map(|key| all.iter().filter(same).filter(|record| record.header("idempotency-key") == Some(key)).count());
        let body = json!({"effect": self.name, "count": all.iter().filter(same).count(), "idempotency_key": key, "count_of_key": with_key});
        wire::json(self.status, &body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_an_effect() {
        let effect = |name: &str, delay_ms, status| Some(Effect { name: name.to_owned(), delay: Duration::from_millis(delay_ms), status });
        assert_eq!(Effect::read("/effect/mail"), effect("mail", 0, 200));
        assert_eq!(Effect::read("/effect/mail?status=503&delay_ms=20&x"), effect("mail", 20, 503));
        assert_eq!(Effect::read("/other/mail"), None);
    }
}
