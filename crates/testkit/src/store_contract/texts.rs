//! Bodies and the texts beside the log.

use bytes::Bytes;
use gorgon_core::ids::ContentHash;
use gorgon_ports::{Append, Blob, StoreError};

use super::random::Dice;
use super::{AnyStore, Pen, committed};

fn blob(bytes: impl Into<Bytes>) -> Blob {
    let bytes = bytes.into();
    Blob { hash: ContentHash::of(&bytes), bytes }
}

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut dice = Dice::seeded(length as u64);
    (0..length).map(|_| dice.below(256) as u8).collect()
}

pub(super) async fn bodies(store: AnyStore) {
    let mut pen = Pen::begin(&store, 1).await;
    let mut written = vec![Bytes::from_static(b"[]")];
    for length in [0, 1, 1023, 1024, 1025, 70_000, 1_500_000] {
        written.push(Bytes::from(vec![b'x'; length]));
        written.push(Bytes::from(noise(length)));
    }
    // A text may begin with whatever a store marks its rows by.
    written.extend((0..=255_u8).map(|first| Bytes::copy_from_slice(&[first, b'x'])));
    for body in &written[1..] {
        let append = pen.append(body.clone());
        committed(pen.send(&store, append).await);
    }
    let read: Vec<Bytes> = store.load(pen.key(), 0).await.expect("loads").into_iter().map(|append| append.body).collect();
    assert!(read == written);
    let fed: Vec<Bytes> = store.feed(0, 1000).await.expect("feeds").into_iter().map(|append| append.body).collect();
    assert!(fed == written);
}

pub(super) async fn blobs(store: AnyStore) {
    let mut pen = Pen::begin(&store, 1).await;
    let texts = [blob("a"), blob(""), blob(vec![b'y'; 300_000]), blob(noise(40_000)), blob(vec![1, 2, 3])];
    for _ in 0..2 {
        let append = Append { blobs: texts.to_vec(), ..pen.append("[]") };
        committed(pen.send(&store, append).await);
    }
    let backwards: Vec<ContentHash> = texts.iter().rev().map(|text| text.hash).collect();
    let read = store.blobs(pen.key(), &backwards).await.expect("reads");
    assert!(read.iter().eq(texts.iter().rev()));
    assert_eq!(store.blobs(pen.key(), &[]).await, Ok(Vec::new()));
    let twice = store.blobs(pen.key(), &[texts[0].hash, texts[0].hash]).await.expect("reads");
    assert_eq!(twice, [texts[0].clone(), texts[0].clone()]);
}

pub(super) async fn missing(store: AnyStore) {
    let mut pen = Pen::begin(&store, 1).await;
    let text = blob("a");
    let append = Append { blobs: vec![text.clone()], ..pen.append("[]") };
    committed(pen.send(&store, append).await);
    let read = store.blobs(pen.key(), &[text.hash, ContentHash::of(b"b")]).await;
    assert!(matches!(read, Err(StoreError::Damaged(_))));
}

pub(super) async fn false_hash(store: AnyStore) {
    let mut pen = Pen::begin(&store, 1).await;
    let text = Blob { hash: ContentHash::of(b"a"), bytes: Bytes::from_static(b"b") };
    let append = Append { blobs: vec![text.clone()], ..pen.append("[]") };
    committed(pen.send(&store, append).await);
    assert!(matches!(store.blobs(pen.key(), &[text.hash]).await, Err(StoreError::Damaged(_))));
}
