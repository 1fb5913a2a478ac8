//! Server-sent events: from bytes to frames.

/// A frame, as it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RawFrame {
    /// Its name; empty if none was given.
    pub(crate) event: String,
    /// Its lines of data.
    pub(crate) data: String,
}

/// Bytes that came and are no frame yet.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    bytes: Vec<u8>,
    /// Up to here there is no end of a line: what was searched is not searched again.
    searched: usize,
    frame: RawFrame,
    has_data: bool,
}

impl Decoder {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame. Lines end with `\n` or `\r\n`; comments are left out.
    pub(crate) fn next(&mut self) -> Option<RawFrame> {
        while let Some(at) = self.bytes[self.searched..].iter().position(|&byte| byte == b'\n') {
            let end = self.searched + at;
            let line: Vec<u8> = self.bytes.drain(..=end).collect();
            self.searched = 0;
            let line = String::from_utf8_lossy(&line);
            if let Some(frame) = self.line(line.trim_end_matches(['\n', '\r'])) {
                return Some(frame);
            }
        }
        self.searched = self.bytes.len();
        None
    }

    fn line(&mut self, line: &str) -> Option<RawFrame> {
        if line.is_empty() {
            let frame = std::mem::take(&mut self.frame);
            let has_data = std::mem::take(&mut self.has_data);
            return (has_data || !frame.event.is_empty()).then_some(frame);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.frame.event),
            "data" => {
                if self.has_data {
                    self.frame.data.push('\n');
                }
                self.frame.data.push_str(value);
                self.has_data = true;
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(event: &str, data: &str) -> RawFrame {
        RawFrame { event: event.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn frames_come_out_however_the_bytes_are_cut() {
        let text = ": hello\n\nid: 7\nevent: append\ndata: {\"ß\":1}\n\nevent: done\ndata:\n\ndata: a\r\ndata: b\r\n\r\n";
        let wanted = [frame("append", "{\"ß\":1}"), frame("done", ""), frame("", "a\nb")];
        for size in 1..text.len() {
            let mut decoder = Decoder::default();
            let mut found = Vec::new();
            for chunk in text.as_bytes().chunks(size) {
                decoder.push(chunk);
                found.extend(std::iter::from_fn(|| decoder.next()));
            }
            assert_eq!(found, wanted, "cut every {size} bytes");
        }
    }
}
