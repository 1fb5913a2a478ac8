//! How texts lie in rows: as they are, or as a zstd frame behind a marker byte.

use std::cell::RefCell;

use bytes::Bytes;
use zstd::bulk::{Compressor, Decompressor};

/// Texts up to this length stay as they are: readable in plain SQLite, and a small frame would save little. What a step that only computes says stays below
/// it; the question and the answer of a model, of which a conversation has thousands, do not, and half of them is the names of fields.
const PLAIN_BYTES_MAX: usize = 512;

/// SQLite's limit of a row; a frame that claims more is damaged.
const TEXT_BYTES_MAX: u64 = 1_000_000_000;

/// The rest is the text. Only before texts that begin with a marker themselves.
const PLAIN: u8 = 0;
/// The rest is a zstd frame.
const ZSTD: u8 = 1;
/// The rest is a zstd frame that was made with [`DICTIONARY`].
const SHORT: u8 = 2;

/// What events are made of, so that a text of a few hundred bytes has something to refer to. Rows were written with these very bytes: another dictionary is
/// another marker.
const DICTIONARY: &[u8] = include_bytes!("events-1.dict");

/// Above this a text has enough in itself to refer to.
const SHORT_BYTES_MAX: usize = 16 * 1024;

const LEVEL: i32 = 1;

thread_local! {
    /// Making one costs more than a short text does.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = RefCell::new(Compressor::with_dictionary(LEVEL, DICTIONARY).ok());
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = RefCell::new(Decompressor::with_dictionary(DICTIONARY).ok());
}

/// The marker and the frame of a text.
fn compress(text: &[u8]) -> Option<(u8, Vec<u8>)> {
    if text.len() > SHORT_BYTES_MAX {
        return Some((ZSTD, zstd::bulk::compress(text, LEVEL).ok()?));
    }
    COMPRESSOR.with_borrow_mut(|compressor| Some((SHORT, compressor.as_mut()?.compress(text).ok()?)))
}

/// What the row of a text holds.
pub(crate) fn encode(text: &Bytes) -> Bytes {
    if text.len() > PLAIN_BYTES_MAX
        && let Some((marker, frame)) = compress(text)
        && frame.len() + 1 < text.len()
    {
        return marked(marker, &frame);
    }
    match text.first() {
        Some(&(PLAIN | ZSTD | SHORT)) => marked(PLAIN, text),
        _ => text.clone(),
    }
}

fn marked(marker: u8, rest: &[u8]) -> Bytes {
    let mut row = Vec::with_capacity(rest.len() + 1);
    row.push(marker);
    row.extend_from_slice(rest);
    row.into()
}

/// The text of a row; `None` if no text has this row.
pub(crate) fn decode(row: &[u8]) -> Option<Bytes> {
    match row.split_first() {
        Some((&PLAIN, text)) => Some(Bytes::copy_from_slice(text)),
        Some((&marker @ (ZSTD | SHORT), frame)) => {
            let bytes = zstd::zstd_safe::get_frame_content_size(frame).ok()??;
            let bytes = usize::try_from(bytes).ok().filter(|_| bytes <= TEXT_BYTES_MAX)?;
            let text = if marker == SHORT {
                DECOMPRESSOR.with_borrow_mut(|decompressor| decompressor.as_mut()?.decompress(frame, bytes).ok())
            } else {
                zstd::bulk::decompress(frame, bytes).ok()
            };
            text.map(Bytes::from)
        }
        _ => Some(Bytes::copy_from_slice(row)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back() {
        let long = vec![b'x'; 100_000];
        let noise: Vec<u8> = (0..5000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
        let middle = DICTIONARY.repeat(2);
        for text in [&b""[..], b"[]", b"\x00", b"\x01", b"\x02", b"\x01\x28\xb5\x2f\xfd", b"\x00\x01", &long, &middle, &noise[..900], &noise] {
            let text = Bytes::copy_from_slice(text);
            assert_eq!(decode(&encode(&text)), Some(text));
        }
        assert!(encode(&long.into()).len() < 200);
    }

    #[test]
    fn a_short_text_stays_readable() {
        let text = Bytes::from_static(b"[{\"run_started\":{}}]");
        assert_eq!(encode(&text), text);
    }

    #[test]
    fn rows_of_every_form_stay_readable_and_the_dictionary_is_what_they_were_written_with() {
        let text = Bytes::from("[{\"call_settled\":{\"call\":{\"step\":\"work\"}}}]".repeat(20));
        let frame = zstd::bulk::compress(&text, LEVEL).unwrap();
        assert_eq!(decode(&marked(ZSTD, &frame)), Some(text.clone()), "as rows were before there was a dictionary");
        let row = encode(&text);
        assert!(row[0] == SHORT && row.len() < 120, "{}", row.len());
        let hash = gorgon_core::ids::ContentHash::of(DICTIONARY).to_string();
        assert_eq!(hash, "aca716c6347843abce3fe7723eb69feafd1ee74de3c0c2539375b551fa12d763");
    }

    #[test]
    fn what_is_no_frame_is_found() {
        for row in [
            &[ZSTD][..],
            &[SHORT],
            &[SHORT, 1, 2, 3],
            &[ZSTD, 1, 2, 3],
            &[ZSTD, 0x28, 0xb5, 0x2f, 0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ] {
            assert_eq!(decode(row), None);
        }
    }
}
