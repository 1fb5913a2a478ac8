//! The three pipes of a process, served while something else is waited for.

use std::future::Future;
use std::time::Duration;

use gorgon_ports::{Progress, ProgressSink, Steer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin};
use tokio_util::sync::CancellationToken;

use super::capture::Capture;

const CHUNK_BYTES: usize = 16 * 1024;

/// Feeds the standard input and reads both outputs.
pub(super) struct Pipes {
    input: Input,
    stdout: Output,
    stderr: Output,
}

impl Pipes {
    /// Takes the pipes of a child. `stop` is told when the listener wants the process to end.
    pub(super) fn of(child: &mut Child, stdin: Option<&str>, bytes_max: u64, progress: &ProgressSink, stop: &CancellationToken) -> Self {
        let output = |stream, reader| Output {
            stream,
            reader,
            buffer: vec![0; CHUNK_BYTES].into_boxed_slice(),
            capture: Capture::new(bytes_max),
            progress: progress.clone(),
            stop: stop.clone(),
        };
        Self {
            input: Input { pipe: child.stdin.take(), text: stdin.unwrap_or_default().as_bytes().to_vec(), sent: 0 },
            stdout: output("stdout", child.stdout.take().map(|r| Box::new(r) as Reader)),
            stderr: output("stderr", child.stderr.take().map(|r| Box::new(r) as Reader)),
        }
    }

    /// Serves the pipes until `other` is done.
    pub(super) async fn serve_while<T>(&mut self, other: impl Future<Output = T>) -> T {
        tokio::pin!(other);
        let mut open = true;
        loop {
            tokio::select! {
                biased;
                value = &mut other => return value,
                () = self.serve(), if open => open = false,
            }
        }
    }

    /// Serves the pipes until both outputs are closed, or for `patience`.
    pub(super) async fn finish(&mut self, patience: Duration) {
        let both = async { tokio::join!(self.stdout.serve(), self.stderr.serve()) };
        let _ = tokio::time::timeout(patience, both).await;
    }

    /// The outputs: standard output, standard error.
    pub(super) fn into_captures(self) -> (Capture, Capture) {
        (self.stdout.capture, self.stderr.capture)
    }

    /// Dropping this between two steps loses nothing: each read and each write is noted before the next await.
    async fn serve(&mut self) {
        tokio::join!(self.input.serve(), self.stdout.serve(), self.stderr.serve());
    }
}

struct Input {
    pipe: Option<ChildStdin>,
    text: Vec<u8>,
    sent: usize,
}

impl Input {
    async fn serve(&mut self) {
        while let Some(pipe) = &mut self.pipe {
            if self.sent == self.text.len() {
                break;
            }
            match pipe.write(&self.text[self.sent..]).await {
                // A process need not read its input: that it closed it is no failure.
                Ok(0) | Err(_) => break,
                Ok(n) => self.sent += n,
            }
        }
        self.pipe = None;
    }
}

type Reader = Box<dyn AsyncRead + Send + Unpin>;

struct Output {
    stream: &'static str,
    reader: Option<Reader>,
    buffer: Box<[u8]>,
    capture: Capture,
    progress: ProgressSink,
    stop: CancellationToken,
}

impl Output {
    async fn serve(&mut self) {
        while let Some(reader) = &mut self.reader {
            match reader.read(&mut self.buffer).await {
                Ok(0) | Err(_) => break,
                Ok(n) => {
                    let piece = &self.buffer[..n];
                    self.capture.push(piece);
                    if (self.progress)(Progress::Output { stream: self.stream, bytes: piece.to_vec() }) == Steer::Stop {
                        self.stop.cancel();
                    }
                }
            }
        }
        self.reader = None;
    }
}
