//! What is kept of an output: its first and its last bytes.

use std::collections::VecDeque;

/// Keeps at most so many bytes of a stream: if it gets longer, the first half and the last half.
pub(super) struct Capture {
    head: Vec<u8>,
    head_max: usize,
    tail: VecDeque<u8>,
    tail_max: usize,
    total: u64,
}

impl Capture {
    pub(super) fn new(bytes_max: u64) -> Self {
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        let head_max = bytes_max / 2;
        Self { head: Vec::new(), head_max, tail: VecDeque::new(), tail_max: bytes_max - head_max, total: 0 }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let room = (self.head_max - self.head.len()).min(bytes.len());
        let (first, rest) = bytes.split_at(room);
        self.head.extend_from_slice(first);
        bytes = &rest[rest.len().saturating_sub(self.tail_max)..];
        let excess = (self.tail.len() + bytes.len()).saturating_sub(self.tail_max);
        self.tail.drain(..excess);
        self.tail.extend(bytes);
    }

    pub(super) fn is_truncated(&self) -> bool {
        self.total > (self.head.len() + self.tail.len()) as u64
    }

    /// The text, with a line in its middle that says how many bytes are missing, if some are.
    pub(super) fn into_text(self) -> String {
        let truncated = self.is_truncated();
        let Self { mut head, tail, total, .. } = self;
        let tail = Vec::from(tail);
        if !truncated {
            head.extend_from_slice(&tail);
            return String::from_utf8(head).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        }
        head.truncate(head.len() - cut_character(&head));
        let tail = &tail[continuation(&tail)..];
        let left_out = total - (head.len() + tail.len()) as u64;
        format!("{}\n[{left_out} bytes left out]\n{}", String::from_utf8_lossy(&head), String::from_utf8_lossy(tail))
    }
}

/// How many bytes at the end are the beginning of a character that was cut.
fn cut_character(bytes: &[u8]) -> usize {
    match std::str::from_utf8(&bytes[bytes.len().saturating_sub(4)..]) {
        Ok(_) => 0,
        // Only an end that lacks bytes counts; what is wrong before it is no cut.
        Err(_) => (1..=bytes.len().min(3))
            .find(|&n| std::str::from_utf8(&bytes[bytes.len() - n..]).is_err_and(|e| e.valid_up_to() == 0 && e.error_len().is_none()))
            .unwrap_or(0),
    }
}

/// How many bytes at the start are the end of a character whose beginning was cut off.
fn continuation(bytes: &[u8]) -> usize {
    bytes.iter().take(3).take_while(|&&byte| byte & 0b1100_0000 == 0b1000_0000).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(bytes_max: u64, pieces: &[&[u8]]) -> (bool, String) {
        let mut capture = Capture::new(bytes_max);
        pieces.iter().for_each(|piece| capture.push(piece));
        (capture.is_truncated(), capture.into_text())
    }

    #[test]
    fn what_fits_is_kept_whole() {
        assert_eq!(capture(10, &[b"01234", b"56789"]), (false, "0123456789".to_owned()));
        assert_eq!(capture(10, &[]), (false, String::new()));
    }

    #[test]
    fn the_middle_is_left_out_and_counted() {
        let expected = (true, "0123\n[4 bytes left out]\n89ab".to_owned());
        assert_eq!(capture(8, &[b"0123456789ab"]), expected);
        assert_eq!(capture(8, &[b"01", b"23456", b"7", b"89ab"]), expected);
        assert_eq!(capture(1, &[b"xyz"]), (true, "\n[2 bytes left out]\nz".to_owned()));
    }

    #[test]
    fn characters_are_not_cut_in_two() {
        assert_eq!(capture(6, &["aéééa".as_bytes()]), (true, "aé\n[2 bytes left out]\néa".to_owned()));
        assert_eq!(capture(6, &["ééééé".as_bytes()]), (true, "é\n[6 bytes left out]\né".to_owned()));
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        assert_eq!(capture(10, &[b"a\xffb"]), (false, "a\u{fffd}b".to_owned()));
    }
}
