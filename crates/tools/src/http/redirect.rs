//! Redirects, after the fetch standard: <https://fetch.spec.whatwg.org/#http-redirect-fetch>.

use gorgon_core::call::Failure;
use reqwest::header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, HeaderMap, LOCATION, USER_AGENT};
use reqwest::{Method, Response, StatusCode, Url};

use super::request::Hop;
use crate::outcome::refused;

/// How many redirects one request follows.
pub(super) const REDIRECTS_MAX: usize = 5;

impl Hop {
    /// The request that the response sends on to; `None` if it is the answer.
    pub(super) fn after(&self, response: &Response) -> Result<Option<Self>, Failure> {
        let status = response.status();
        let keeps_method = match status {
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => self.method != Method::POST,
            StatusCode::SEE_OTHER => self.method == Method::GET || self.method == Method::HEAD,
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
            _ => return Ok(None),
        };
        let Some(location) = response.headers().get(LOCATION) else { return Ok(None) };
        self.to(location.as_bytes(), keeps_method).map(Some)
    }

    fn to(&self, location: &[u8], keeps_method: bool) -> Result<Self, Failure> {
        let location = String::from_utf8_lossy(location);
        let mut url = self.url.join(&location).map_err(|error| refused(format!("{self} was redirected to where no URL leads: {error}")))?;
        // A server that is not trusted yet chooses the place, not the identity to go there with.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let mut next = Self { url, ..self.clone() };
        if !keeps_method {
            next.method = Method::GET;
            next.body = None;
            for name in [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LANGUAGE] {
                next.headers.remove(name);
            }
        }
        if origin(&self.url) != origin(&next.url) {
            next.headers = for_another_origin(&next.headers);
        }
        Ok(next)
    }
}

fn origin(url: &Url) -> (&str, Option<&str>, Option<u16>) {
    (url.scheme(), url.host_str(), url.port_or_known_default())
}

/// What a stranger may see. Headers were written for the host that the workflow names, and any of them may hold a key: only those that cannot
/// go along.
fn for_another_origin(headers: &HeaderMap) -> HeaderMap {
    let harmless =
        [ACCEPT.as_str(), ACCEPT_LANGUAGE.as_str(), CONTENT_TYPE.as_str(), CONTENT_LANGUAGE.as_str(), USER_AGENT.as_str(), "idempotency-key"];
    headers.iter().filter(|(name, _)| harmless.contains(&name.as_str())).map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use gorgon_core::call::HttpRequest;

    use super::*;

    fn post(url: &str) -> Hop {
        let headers = [("Authorization", "Bearer x"), ("Cookie", "a=b"), ("X-Api-Key", "k"), ("Accept", "text/html"), ("Content-Type", "text/csv")];
        let request = HttpRequest {
            method: "POST".to_owned(),
            url: url.to_owned(),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            body: Some(gorgon_core::call::HttpBody::Text("text".to_owned())),
            body_bytes_max: 1,
        };
        Hop::first(&request, "key").unwrap()
    }

    fn names(hop: &Hop) -> Vec<&str> {
        let mut names: Vec<_> = hop.headers.keys().map(reqwest::header::HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn another_origin_sees_no_key() {
        for elsewhere in ["https://b.example/", "http://a.example/", "https://a.example:444/", "//b.example/x"] {
            let next = post("https://a.example/").to(elsewhere.as_bytes(), true).unwrap();
            assert_eq!(names(&next), ["accept", "content-type", "idempotency-key"], "{elsewhere}");
            assert_eq!(next.body.as_deref(), Some(b"text".as_slice()));
        }
    }

    #[test]
    fn the_same_origin_sees_all() {
        let next = post("https://a.example/x/y?q=1").to(b"../z", true).unwrap();
        assert_eq!(next.url.as_str(), "https://a.example/z");
        assert_eq!(names(&next), ["accept", "authorization", "content-type", "cookie", "idempotency-key", "x-api-key"]);
    }

    #[test]
    fn a_get_that_follows_a_post_has_no_body() {
        let next = post("https://a.example/").to(b"/z", false).unwrap();
        assert_eq!((next.method.as_str(), next.body.is_none()), ("GET", true));
        assert!(!names(&next).contains(&"content-type"));
    }

    #[test]
    fn a_redirect_brings_no_password() {
        assert_eq!(post("https://a.example/").to(b"https://me:secret@b.example/", true).unwrap().url.as_str(), "https://b.example/");
    }
}
