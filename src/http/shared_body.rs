//! Bodies that are made once for many responses: pages, JSON, playlists, subtitles.
//!
//! A response holds its body until it is sent. All bodies together have a bound: a new one takes the room of those whose
//! clients don't read, and their responses end.

use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, Weak};
use std::thread;
use std::time::{Duration, Instant};

use crate::fingerprint::fnv1a;
use crate::sync::lock;

/// Stands in a body for the origin of its URLs, so that clients who use different names of this server share the body.
/// No text of ours contains it otherwise.
pub const ORIGIN_MARK: char = '\0';

/// Bytes of all bodies that responses hold. If the newest one alone has more than a quarter of that, four times its size.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// A body of which nobody has read a chunk for this long makes room at once.
const UNREAD: Duration = Duration::from_secs(1);

/// How long a new body waits for the clients that read the others. Then the oldest body makes room.
const WAIT: Duration = Duration::from_secs(2);

/// How often a body that waits looks for room.
const INTERVAL: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub struct SharedBody {
    /// Empty after the body was dropped.
    bytes: RwLock<Vec<u8>>,
    length: usize,
    marks: usize,
    hash: u64,
    /// When a chunk was read, or else when it was made.
    last_read: Mutex<Instant>,
}

impl SharedBody {
    fn new(mut bytes: Vec<u8>) -> Self {
        bytes.shrink_to_fit();
        Self {
            length: bytes.len(),
            marks: bytes.iter().filter(|byte| **byte == ORIGIN_MARK as u8).count(),
            hash: fnv1a(&bytes),
            last_read: Mutex::new(Instant::now()),
            bytes: RwLock::new(bytes),
        }
    }

    fn bytes(&self) -> RwLockReadGuard<'_, Vec<u8>> {
        self.bytes.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The length in bytes, with `origin` in the place of each mark.
    pub fn len(&self, origin: &str) -> u64 {
        (self.length - self.marks + self.marks * origin.len()) as u64
    }

    /// The strong entity tag, with its quotes.
    pub fn etag(&self, origin: &str) -> String {
        if self.marks == 0 {
            return format!("\"{:x}\"", self.hash);
        }
        format!("\"{:x}-{:x}\"", self.hash, fnv1a(origin.as_bytes()))
    }

    /// Whether it was dropped to make room for others.
    pub fn is_dropped(&self) -> bool {
        self.length > 0 && self.bytes().is_empty()
    }

    /// Copies up to `size` bytes from `at` on, with `origin` in the place of each mark. Returns them, and where the next
    /// chunk begins, which is `None` after the last one. `None`: the body was dropped.
    pub fn chunk(&self, at: usize, size: usize, origin: &str) -> Option<(Vec<u8>, Option<usize>)> {
        *lock(&self.last_read) = Instant::now();
        let bytes = self.bytes();
        let end = self.length.min(at + size);
        let raw = bytes.get(at..end)?;
        let chunk = if self.marks == 0 {
            raw.to_vec()
        } else {
            raw.split(|byte| *byte == ORIGIN_MARK as u8).collect::<Vec<_>>().join(origin.as_bytes())
        };
        Some((chunk, (end < self.length).then_some(end)))
    }

    fn drop_bytes(&self) {
        *self.bytes.write().unwrap_or_else(PoisonError::into_inner) = Vec::new();
    }
}

/// The bodies that anybody holds.
#[derive(Debug, Default)]
pub struct SharedBodies {
    /// The oldest first. A body that was made again counts as new.
    bodies: Mutex<Vec<Weak<SharedBody>>>,
}

impl SharedBodies {
    /// A body for all who want it. If the same bytes are being sent to a slow client already, it is that one.
    pub fn share(&self, bytes: Vec<u8>) -> Arc<SharedBody> {
        let body = Arc::new(SharedBody::new(bytes));
        let deadline = Instant::now() + WAIT;
        loop {
            if let Some(shared) = self.try_share(&body, Instant::now() >= deadline) {
                return shared;
            }
            thread::sleep(INTERVAL);
        }
    }

    /// Adds a body if there is room for it, or if it `must` be added.
    fn try_share(&self, body: &Arc<SharedBody>, must: bool) -> Option<Arc<SharedBody>> {
        let mut bodies = lock(&self.bodies);
        let mut held: Vec<Arc<SharedBody>> = bodies.iter().filter_map(Weak::upgrade).collect();
        let same = held.iter().position(|known| known.hash == body.hash && *known.bytes() == *body.bytes());
        let shared = match same {
            Some(at) => held.remove(at),
            None => Arc::clone(body),
        };
        if !make_room(&held, shared.length, must) {
            return None;
        }
        held.push(Arc::clone(&shared));
        *bodies = held.iter().map(Arc::downgrade).collect();
        // A body that nobody else holds is freed after the lock.
        drop(bodies);
        Some(shared)
    }
}

/// Drops unread bodies, the oldest first, or any where it `must`, until another one of `length` bytes fits. Returns
/// whether it does.
fn make_room(held: &[Arc<SharedBody>], length: usize, must: bool) -> bool {
    let bound = MAX_BYTES.max(4 * length);
    let mut total = length + held.iter().map(|body| body.bytes().len()).sum::<usize>();
    for body in held {
        if total <= bound {
            break;
        }
        if must || lock(&body.last_read).elapsed() >= UNREAD {
            total -= body.bytes().len();
            body.drop_bytes();
        }
    }
    total <= bound
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(body: &SharedBody, size: usize, origin: &str) -> Option<Vec<u8>> {
        let mut all = Vec::new();
        let mut next = Some(0);
        while let Some(at) = next {
            let (chunk, after) = body.chunk(at, size, origin)?;
            all.extend(chunk);
            next = after;
        }
        Some(all)
    }

    #[test]
    fn the_origin_is_put_in_whatever_the_chunks() {
        let body = SharedBodies::default().share(b"\0/a\n\0/b\n".to_vec());
        for origin in ["", "x", "http://nas:8000"] {
            let want = format!("{origin}/a\n{origin}/b\n");
            for size in [1, 2, 3, 7, 100] {
                assert_eq!(whole(&body, size, origin).unwrap(), want.as_bytes());
            }
            assert_eq!(body.len(origin), want.len() as u64);
        }
        assert_ne!(body.etag("http://nas"), body.etag("http://nas:8000"));
    }

    #[test]
    fn an_empty_body_is_not_a_dropped_one() {
        let body = SharedBodies::default().share(Vec::new());
        assert!(!body.is_dropped());
        assert_eq!(whole(&body, 10, "").unwrap(), b"");
    }

    #[test]
    fn equal_bodies_are_one_while_anybody_holds_it() {
        let bodies = SharedBodies::default();
        let first = bodies.share(b"page".to_vec());
        assert!(Arc::ptr_eq(&first, &bodies.share(b"page".to_vec())));
        assert!(!Arc::ptr_eq(&first, &bodies.share(b"other".to_vec())));
        assert_eq!(first.etag("http://nas"), first.etag(""), "there is no origin in it");
    }

    #[test]
    fn beyond_the_bound_the_oldest_unread_bodies_are_dropped_without_a_wait() {
        let bodies = SharedBodies::default();
        let large = |byte: u8| bodies.share(vec![byte; MAX_BYTES / 8]);
        let held: Vec<_> = (1..=8).map(large).collect();
        assert!(held.iter().all(|body| !body.is_dropped()));
        assert!(Arc::ptr_eq(&held[0], &large(1)), "asked for again, it is the newest");
        for body in &held {
            *lock(&body.last_read) -= UNREAD;
        }
        let ninth = Arc::new(SharedBody::new(vec![9; MAX_BYTES / 8]));
        held[1].chunk(0, 10, "").unwrap();
        assert!(bodies.try_share(&ninth, false).is_some(), "without a wait");
        let dropped: Vec<bool> = held.iter().map(|body| body.is_dropped()).collect();
        assert_eq!(dropped, [false, false, true, false, false, false, false, false]);
        assert_eq!(held[2].chunk(0, 10, ""), None);
        assert!(!large(3).is_dropped(), "it is made again");
    }

    #[test]
    fn bodies_that_are_read_have_time_to_end() {
        let bodies = SharedBodies::default();
        let mut held: Vec<_> = (1..=8).map(|byte: u8| bodies.share(vec![byte; MAX_BYTES / 8])).collect();
        for body in &held {
            // However slow this machine is, they are being read.
            *lock(&body.last_read) += Duration::from_secs(3600);
        }
        let ninth = Arc::new(SharedBody::new(vec![9; MAX_BYTES / 8]));
        assert!(bodies.try_share(&ninth, false).is_none(), "it waits");
        assert!(held.iter().all(|body| !body.is_dropped()));
        drop(held.pop());
        assert!(bodies.try_share(&ninth, false).is_some());
        assert!(held.iter().all(|body| !body.is_dropped()));
        let tenth = Arc::new(SharedBody::new(vec![10; MAX_BYTES / 8]));
        assert!(bodies.try_share(&tenth, true).is_some(), "it has waited for long enough");
        assert!(held[0].is_dropped() && !held[1].is_dropped());
    }
}
