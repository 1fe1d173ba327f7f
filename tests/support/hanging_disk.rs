//! A disk whose reads hang or fail: a file system in memory, mounted with FUSE.
//!
//! It has one folder. Reads of `slow-0.mp4`, `slow-1.mp4` and so on hang while a test holds a [`Hanging`], each read of
//! `broken.mp4` fails, and `film.mp4` is an ordinary file. The folder can't be listed; no test needs that.

use std::ffi::OsStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    KernelConfig, LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyEntry, ReplyOpen, Request,
};

use crate::support::{self, Folder};

/// The length of a `slow` file. Its bytes are the first of the film.
pub const SLOW_SIZE: usize = 64 * 1024;

const FILM: INodeNo = INodeNo(2);
const BROKEN: INodeNo = INodeNo(3);
const FIRST_SLOW: INodeNo = INodeNo(10);

/// How long the kernel may cache the attributes of a file: longer than any test takes.
const TTL: Duration = Duration::from_secs(3600);

/// Reads that hang.
#[derive(Default)]
struct Reads {
    hang: bool,
    /// The reply to each of them, and which bytes of the film it gets.
    waiting: Vec<(ReplyData, std::ops::Range<usize>)>,
}

#[derive(Clone)]
struct Files {
    film: Arc<[u8]>,
    reads: Arc<Mutex<Reads>>,
}

impl Files {
    fn reads(&self) -> MutexGuard<'_, Reads> {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn size(&self, file: INodeNo) -> usize {
        if file >= FIRST_SLOW { SLOW_SIZE } else { self.film.len() }
    }

    fn attributes(&self, file: INodeNo) -> FileAttr {
        let is_folder = file == INodeNo::ROOT;
        let epoch = SystemTime::UNIX_EPOCH;
        let size = if is_folder { 0 } else { self.size(file) as u64 };
        FileAttr {
            ino: file,
            size,
            blocks: size.div_ceil(512),
            atime: epoch,
            mtime: epoch,
            ctime: epoch,
            crtime: epoch,
            kind: if is_folder { FileType::Directory } else { FileType::RegularFile },
            perm: if is_folder { 0o755 } else { 0o644 },
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }
}

impl Filesystem for Files {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> std::io::Result<()> {
        // With `sendfile` the kernel reads in the background, at most this many reads at a time.
        config.set_max_background(500).map(drop).map_err(|_| std::io::ErrorKind::InvalidInput.into())
    }

    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let number = |name: &str| name.strip_prefix("slow-")?.strip_suffix(".mp4")?.parse::<u64>().ok();
        let file = match name.to_str() {
            Some("film.mp4") => Some(FILM),
            Some("broken.mp4") => Some(BROKEN),
            name => name.and_then(number).map(|number| INodeNo(FIRST_SLOW.0 + number)),
        };
        match file {
            Some(file) => reply.entry(&TTL, &self.attributes(file), Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, file: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&TTL, &self.attributes(file));
    }

    fn open(&self, _: &Request, file: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        // Without the page cache each read of a slow file reaches `read`.
        let flags = if file >= FIRST_SLOW { FopenFlags::FOPEN_DIRECT_IO } else { FopenFlags::FOPEN_KEEP_CACHE };
        reply.opened(FileHandle(0), flags);
    }

    fn read(
        &self,
        _: &Request,
        file: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let start = self.size(file).min(offset as usize);
        let range = start..self.size(file).min(start + size as usize);
        let mut reads = self.reads();
        match file {
            BROKEN => reply.error(Errno::EIO),
            // Answered later, so that the next request can be read now.
            _ if reads.hang && file >= FIRST_SLOW => reads.waiting.push((reply, range)),
            _ => reply.data(&self.film[range]),
        }
    }
}

/// The disk, unmounted on drop.
pub struct HangingDisk {
    session: Option<BackgroundSession>,
    files: Files,
    pub folder: Folder,
}

impl HangingDisk {
    /// `None` if it can't be mounted, after a line that says why; panics if `FILMSTRIP_TEST_ALL` is set.
    pub fn mount(film: &[u8]) -> Option<Self> {
        let folder = Folder::new();
        let files = Files { film: film.into(), reads: Arc::default() };
        let mut config = Config::default();
        config.mount_options = vec![MountOption::RO, MountOption::FSName("filmstrip-test".into())];
        match fuser::spawn_mount(files.clone(), folder.path(), &config) {
            Ok(session) => Some(Self { session: Some(session), files, folder }),
            Err(error) => {
                support::skip(&format!("no FUSE file system can be mounted here ({error})"));
                None
            }
        }
    }

    /// From now on reads of slow files hang, until the returned value is dropped. A process with such a read can't end,
    /// even when it is killed: a test has to drop the value before its program.
    pub fn hang(&self) -> Hanging<'_> {
        self.files.reads().hang = true;
        Hanging(&self.files)
    }
}

impl Drop for HangingDisk {
    fn drop(&mut self) {
        // The session may end with ECONNABORTED. It only matters that nothing stays mounted.
        let ended = self.session.take().map(BackgroundSession::umount_and_join);
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        let is_mounted = mounts.contains(&*self.folder.path().to_string_lossy());
        assert!(std::thread::panicking() || !is_mounted, "still mounted: {ended:?}");
    }
}

/// Reads hang until this is dropped. Then they are answered.
pub struct Hanging<'a>(&'a Files);

impl Hanging<'_> {
    /// How many reads hang.
    pub fn count(&self) -> usize {
        self.0.reads().waiting.len()
    }
}

impl Drop for Hanging<'_> {
    fn drop(&mut self) {
        let mut reads = self.0.reads();
        reads.hang = false;
        for (reply, range) in reads.waiting.drain(..) {
            reply.data(&self.0.film[range]);
        }
    }
}
