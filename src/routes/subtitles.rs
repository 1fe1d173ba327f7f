//! The route of subtitles, which are converted to WebVTT.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::Site;
use super::listings::SharedError;
use crate::http::precondition::{Validators, evaluate};
use crate::http::request::Head;
use crate::http::response::{Body, Response};
use crate::http::shared_body::SharedBody;
use crate::library::path::base;
use crate::library::{OpenError, OpenFile, kind};
use crate::representation::{precondition_response, with_validators};
use crate::subtitles::{self, label};
use crate::sync::lock;

/// How long a conversion waits for its turn.
const WAIT: Duration = Duration::from_secs(30);

impl Site {
    /// `/subtitles/<name>.vtt`: the file `<name>.vtt`, `.srt`, `.ass` or `.ssa` as WebVTT.
    pub(super) fn subtitles(&self, name: &[u8], head: &Head<'_>, now: SystemTime) -> Response {
        let none = || Response::text(404, "There are no such subtitles.");
        let Some(stem) = name.strip_suffix(b".vtt") else { return none() };
        let extensions = kind::SUBTITLES.into_iter().flat_map(kind::spellings);
        let names = extensions.map(|extension| [stem, b".", extension.as_bytes()].concat());
        let open = match self.library.open_first(names) {
            Ok(open) => open,
            Err(OpenError::NotFound | OpenError::OutsideRoot) => return none(),
            Err(error) => return self.error_response(&error, name),
        };
        if open.size > subtitles::MAX_SIZE {
            return Response::text(404, "The file is too large for subtitles. The original is under /video/.");
        }
        let validators = Validators::new(open.size, open.modified, now).of_derived(subtitles::REVISION);
        if let Some(response) = precondition_response(evaluate(&head.fields, &validators), &validators) {
            return response;
        }
        match self.converted(&open, label::language(base(stem)), name) {
            Ok(body) => {
                let response = Response::new(200, Body::Shared(body, String::new()));
                with_validators(response.with("Content-Type", "text/vtt; charset=utf-8"), &validators)
            }
            Err(error) => self.error_response(&error, name),
        }
    }

    /// The subtitles in `file` as WebVTT. `name` is for the log.
    fn converted(&self, file: &OpenFile, language: String, name: &[u8]) -> Result<Arc<SharedBody>, SharedError> {
        let key = (file.identity, language);
        let (_, language) = &key;
        let convert = || {
            let _permit = self.conversions.begin(file.size).ok_or(OpenError::Busy)?;
            // One more, so that the end is found without a larger buffer.
            let mut bytes = Vec::with_capacity(file.size as usize + 1);
            (&*file.file).take(file.size).read_to_end(&mut bytes).map_err(OpenError::Unavailable)?;
            let converted = subtitles::to_webvtt(&bytes, language);
            if converted.dropped > 0 {
                let name = name.escape_ascii();
                log::debug!("\"{name}\": {} cues without an end after their start were dropped", converted.dropped);
            }
            // It may wait for room, and needs no more than the text.
            drop(bytes);
            Ok(self.bodies.share(converted.text.into_bytes()))
        };
        match self.subtitles.get(&key, convert) {
            // Other bodies have taken its room since it was made.
            Some(Ok(body)) if body.is_dropped() => convert(),
            outcome => outcome.unwrap_or_else(|| Err(OpenError::Busy.into())),
        }
    }
}

/// Bounds the memory of conversions that run at the same time: a file takes some eight times its size.
#[derive(Debug, Default)]
pub struct Conversions {
    /// Bytes of the files that are being converted.
    running: Mutex<u64>,
    ended: Condvar,
}

/// A running conversion of a file of so many bytes.
pub struct Conversion<'c> {
    conversions: &'c Conversions,
    size: u64,
}

impl Conversions {
    /// Two of the largest files, or hundreds of usual ones, most of which could hang with their disk.
    const MAX_BYTES: u64 = 2 * subtitles::MAX_SIZE;

    /// Waits until there is room for a file of `size` bytes. `None`: there was none in time.
    fn begin(&self, size: u64) -> Option<Conversion<'_>> {
        let is_full = |running: &mut u64| *running + size > Self::MAX_BYTES;
        let waited = self.ended.wait_timeout_while(lock(&self.running), WAIT, is_full);
        let (mut running, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            return None;
        }
        *running += size;
        Some(Conversion { conversions: self, size })
    }
}

impl Drop for Conversion<'_> {
    fn drop(&mut self) {
        *lock(&self.conversions.running) -= self.size;
        self.conversions.ended.notify_all();
    }
}
