//! Any bytes as the body of an append: events that can be written again, or a reason; and applying them to a run never fails.
#![no_main]

use gorgon_core::event_codec::{decode_body, encode_body};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    match decode_body(body) {
        Ok(events) => {
            let written = encode_body(&events).expect("what was read can be written");
            let back = decode_body(&written).expect("what was written can be read");
            assert_eq!(back, events, "events are written and read without a change");
        }
        Err(reason) => assert!(!reason.to_string().is_empty(), "a refusal says why"),
    }
});
