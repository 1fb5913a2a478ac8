//! How long a server asks to wait.

use std::time::SystemTime;

use reqwest::header::HeaderMap;

/// Milliseconds until the server wants to be asked again, by its own non-standard header or by the standard one (seconds or a date). A time that is
/// not positive is no time. One too long for the type is the longest: who asks for an age is not asked for a second.
pub(crate) fn retry_after_ms(headers: &HeaderMap, now: SystemTime) -> Option<u64> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let own = text("retry-after-ms").and_then(|text| positive(number(text)?));
    own.or_else(|| {
        let standard = text("retry-after")?;
        match number(standard) {
            Some(seconds) => positive(seconds * 1000.0),
            None => until(standard, now),
        }
    })
}

fn number(text: &str) -> Option<f64> {
    // Words such as `inf` and `nan` are numbers to the parser, not to us.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'+' | b'-' | b'e' | b'E'));
    if digits { text.parse().ok() } else { None }
}

fn positive(ms: f64) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive here, and the cast saturates")]
    let whole = ms.ceil() as u64;
    (ms > 0.0).then_some(whole)
}

fn until(date: &str, now: SystemTime) -> Option<u64> {
    let then = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date).ok()?;
    let now = jiff::Timestamp::try_from(now).ok()?;
    let ms = then.as_millisecond().saturating_sub(now.as_millisecond());
    u64::try_from(ms).ok().filter(|&ms| ms > 0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    /// 6 November 1994, 08:49:37 UTC.
    const NOW_S: u64 = 784_111_777;

    fn read(pairs: &[(&'static str, &'static str)]) -> Option<u64> {
        let headers = pairs.iter().map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect();
        retry_after_ms(&headers, SystemTime::UNIX_EPOCH + Duration::from_secs(NOW_S))
    }

    #[test]
    fn seconds_milliseconds_and_dates() {
        for (header, value, ms) in [
            ("retry-after", "2", Some(2_000)),
            ("retry-after", " 0.25 ", Some(250)),
            ("retry-after", "1e3", Some(1_000_000)),
            ("retry-after", "1e400", Some(u64::MAX)),
            ("retry-after", "0", None),
            ("retry-after", "-5", None),
            ("retry-after", "inf", None),
            ("retry-after", "NaN", None),
            ("retry-after", "soon", None),
            ("retry-after", "", None),
            ("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT", Some(10_000)),
            ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT", None),
            ("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT", None),
            ("retry-after", "Sun, 06 Nov 2094 08:00:00 GMT", None),
            ("retry-after-ms", "1500", Some(1_500)),
            ("retry-after-ms", "0.2", Some(1)),
        ] {
            assert_eq!(read(&[(header, value)]), ms, "{header}: {value}");
        }
    }

    #[test]
    fn the_finer_header_counts_if_it_says_something() {
        assert_eq!(read(&[("retry-after-ms", "300"), ("retry-after", "9")]), Some(300));
        assert_eq!(read(&[("retry-after-ms", "x"), ("retry-after", "9")]), Some(9_000));
        assert_eq!(read(&[]), None);
    }
}
