//! Listings, the pages, JSON and playlists made of them, and converted subtitles: once for all clients who ask for the
//! same within a second.
//!
//! They share one look at the disk and one copy of the body, however slowly they read it and however many they are.

use std::collections::HashMap;
use std::fmt;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::Site;
use crate::cache::Cache;
use crate::fingerprint::etag;
use crate::http::request::Head;
use crate::http::response::{Body, Response};
use crate::library::path::parent;
use crate::library::listing::{Listing, Video};
use crate::library::{Identity, OpenError, OpenFile};
use crate::memory::{Trimmed, map_if_large, with_room};
use crate::representation::revalidated;
use crate::subtitles;

/// Bytes of all shared bodies that are kept or being sent. While clients that don't read hold that many, requests that
/// need another one are answered 503.
const BODY_BYTES: usize = 64 * 1024 * 1024;

/// What a listing is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// One folder.
    Folder,
    /// A folder, and everything below it.
    Tree,
}

/// What is made of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Form {
    /// A folder's page.
    Gallery,
    /// The JSON of all videos.
    Json,
    /// The playlist with URLs of this origin.
    Playlist(String),
}

/// A body for all who ask for it.
#[derive(Clone)]
pub struct Answer {
    body: Arc<Vec<u8>>,
    etag: String,
}

impl Answer {
    /// One with `body`.
    pub fn new(body: Arc<Vec<u8>>) -> Self {
        Self { etag: etag(&body), body }
    }

    /// The response to a client that may have it already; `describe` adds the fields of a response with a body.
    pub fn respond(self, head: &Head<'_>, describe: impl FnOnce(Response) -> Response) -> Response {
        revalidated(self.etag, head, || describe(Response::new(200, Body::Bytes(self.body))))
    }
}

/// A listing, and what was made of it.
pub struct Listed {
    pub listing: Trimmed<Listing>,
    answers: Mutex<HashMap<Form, Answer>>,
}

/// The library's folder in its present state, so that a change in it is seen at once (in a folder below it, when the
/// listing is no longer kept); and what is listed.
type Key = (Identity, Scope, Box<[u8]>);

/// A listing for all who ask for it, or why there is none.
type Outcome = Result<Arc<Listed>, Arc<OpenError>>;

/// Converted subtitles, or why there are none.
type Converted = Result<Arc<Vec<u8>>, Arc<OpenError>>;

/// The listings, subtitles and bodies of a site.
#[derive(Default)]
pub struct Shared {
    listings: Cache<Key, Outcome>,
    subtitles: Cache<(Identity, String), Converted>,
    bodies: Arc<Bodies>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Site {
    /// The listing of `folder`.
    pub(super) fn listing(&self, scope: Scope, folder: &[u8]) -> Outcome {
        let key: Key = (self.library.identity()?, scope, folder.into());
        let (library, folder) = (Arc::clone(&self.library), key.2.clone());
        let look = move || {
            let listing = match scope {
                Scope::Folder => library.list(&folder),
                Scope::Tree => library.walk(&folder),
            };
            let bytes = listing.as_ref().map_or(0, size);
            let listed = |listing| Listed { listing: Trimmed::new(listing), answers: Mutex::default() };
            (listing.map(|listing| Arc::new(listed(listing))).map_err(Arc::new), bytes)
        };
        self.shared.listings.get(&key, look).unwrap_or_else(|| Err(OpenError::Busy.into()))
    }

    /// The listing that has the video `name`, and its place in it.
    pub(super) fn listed_video(&self, name: &[u8]) -> Result<(Arc<Listed>, usize), Arc<OpenError>> {
        let listed = self.listing(Scope::Folder, parent(name))?;
        let at = listed.listing.videos.iter().position(|video| video.name == name).ok_or(OpenError::NotFound)?;
        Ok((listed, at))
    }

    /// The subtitles in `file` as WebVTT. `name` is for the log.
    pub(super) fn converted(&self, file: OpenFile, language: String, name: &[u8]) -> Converted {
        let (bodies, name) = (Arc::clone(&self.shared.bodies), name.to_vec());
        let key = (file.identity, language.clone());
        let make = move || {
            let mut bytes = with_room(file.size as usize + 1);
            let read = file.file.take(file.size).read_to_end(&mut bytes).map_err(OpenError::Unavailable);
            let body = read.and_then(|_| {
                let converted = subtitles::to_webvtt(&bytes, &language);
                if converted.dropped > 0 {
                    let (name, dropped) = (name.escape_ascii(), converted.dropped);
                    log::debug!("\"{name}\": {dropped} cues without an end after their start were dropped");
                }
                bodies.share(converted.text.into_bytes()).ok_or(OpenError::Busy)
            });
            let size = body.as_ref().map_or(0, |body| body.len());
            (body.map_err(Arc::new), size)
        };
        self.shared.subtitles.get(&key, make).unwrap_or_else(|| Err(OpenError::Busy.into()))
    }

    /// The listing of `folder` in some form, which `write` gives it.
    pub(super) fn shared(
        &self,
        scope: Scope,
        form: Form,
        folder: &[u8],
        write: impl FnOnce(&Listing) -> Result<Vec<u8>, OpenError>,
    ) -> Result<Answer, Arc<OpenError>> {
        let listed = self.listing(scope, folder)?;
        // The others wait for the first one here. It waits for no disk.
        let mut answers = listed.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = answers.get(&form) {
            return Ok(answer.clone());
        }
        let body = self.shared.bodies.share(write(&listed.listing)?).ok_or(OpenError::Busy)?;
        let answer = Answer::new(body);
        answers.insert(form, answer.clone());
        Ok(answer)
    }
}

/// The shared bodies that anybody holds. The same bytes are there once, though they were made again while a client
/// still reads the first ones.
#[derive(Default)]
struct Bodies(Mutex<Vec<Weak<Vec<u8>>>>);

impl Bodies {
    /// `body` for all who want it; `None` when there are too many.
    fn share(&self, mut body: Vec<u8>) -> Option<Arc<Vec<u8>>> {
        map_if_large(&mut body);
        let mut bodies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bodies.retain(|known| known.strong_count() > 0);
        let held: Vec<_> = bodies.iter().filter_map(Weak::upgrade).collect();
        if let Some(same) = held.iter().find(|held| ***held == body) {
            return Some(Arc::clone(same));
        }
        let bytes: usize = held.iter().map(|held| held.len()).sum();
        if bytes + body.len() > BODY_BYTES {
            return None;
        }
        let body = Arc::new(body);
        bodies.push(Arc::downgrade(&body));
        Some(body)
    }
}

/// Bytes that a listing takes in memory, more or less: a poster and each subtitle have about as long a name.
fn size(listing: &Listing) -> usize {
    let video = |video: &Video| (2 + video.subtitles.len()) * (size_of::<Video>() + video.name.len());
    let folders: usize = listing.folders.iter().map(|folder| size_of_val(folder) + 2 * folder.name.len()).sum();
    folders + listing.videos.iter().map(video).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_are_there_once_as_long_as_anybody_holds_them() {
        let bodies = Bodies::default();
        let share = |body: &[u8]| bodies.share(body.to_vec()).unwrap();
        let (first, again, other) = (share(b"page"), share(b"page"), share(b"other"));
        assert!(Arc::ptr_eq(&first, &again) && *other == b"other");
        drop((first, again));
        share(b"third");
        assert_eq!(bodies.0.lock().unwrap().iter().filter(|body| body.strong_count() > 0).count(), 1);
    }

    #[test]
    fn what_clients_hold_has_a_bound_and_is_free_again_when_they_left() {
        let bodies = Bodies::default();
        let large = |first: u8| [vec![first], vec![0; BODY_BYTES / 2 - 1]].concat();
        let held = [bodies.share(large(1)).unwrap(), bodies.share(large(2)).unwrap()];
        assert!(bodies.share(b"one more".to_vec()).is_none());
        assert!(bodies.share(large(2)).is_some(), "it is there already");
        drop(held);
        assert!(bodies.share(b"one more".to_vec()).is_some());
    }
}
