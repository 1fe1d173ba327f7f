//! A listing of a slow disk ends in time, says that it is incomplete, and asks the disk for nothing afterwards.
//!
//! The disk is a file system in memory, mounted with FUSE, whose every operation takes a while. The kernel caches
//! nothing of it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code, reason = "it needs only a part of it")]
mod support;

use std::ffi::OsStr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use filmstrip::library::listing::Listing;
use filmstrip::{Library, Links};
use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyEntry, ReplyOpen, Request,
};

use support::{Client, Folder, Running, skip};

/// What is on a disk: `folders` with `films` each, or films only. With `extras`, a folder has a manifest and a folder
/// of subtitles, too.
#[derive(Debug, Clone, Copy)]
struct Layout {
    folders: u64,
    films: u64,
    extras: bool,
}

const MANIFEST: &[u8] = b"#EXTM3U\n#EXT-X-TARGETDURATION:4\nsegment.ts\n";

/// Inodes: folder number n is `n << FOLDER_BITS`, counted from 1, and what is in it has the numbers from 1 in the lower
/// bits. Films without a folder are in the root.
const FOLDER_BITS: u32 = 20;
const FIRST_IN_ROOT: u64 = 2;
const SUBS: u64 = 1 << 19;
const SUBTITLE: u64 = SUBS + 1;

impl Layout {
    /// The entries of a folder.
    fn entries(&self, folder: u64) -> Vec<(u64, FileType, String)> {
        let film = |ino, number| (ino, FileType::RegularFile, format!("film {number}.mp4"));
        if folder == INodeNo::ROOT.0 && self.folders > 0 {
            let entry = |number| (number << FOLDER_BITS, FileType::Directory, format!("folder {number}"));
            return (1..=self.folders).map(entry).collect();
        }
        if folder == INodeNo::ROOT.0 {
            return (0..self.films).map(|number| film(FIRST_IN_ROOT + number, number)).collect();
        }
        if folder & SUBS != 0 {
            return vec![(folder + 1, FileType::RegularFile, "film 1.en.srt".into())];
        }
        let mut entries: Vec<_> = (1..=self.films).map(|number| film(folder + number, number)).collect();
        if self.extras {
            entries.push((folder + self.films + 1, FileType::RegularFile, "index.m3u8".into()));
            entries.push((folder + SUBS, FileType::Directory, "Subs".into()));
        }
        entries
    }

    fn find(&self, folder: u64, name: &str) -> Option<u64> {
        let (ino, ..) = self.entries(folder).into_iter().find(|(.., known)| known == name)?;
        Some(ino)
    }
}

/// The disk. Its clones share the numbers.
#[derive(Clone)]
struct SlowDisk {
    layout: Layout,
    delay: Duration,
    /// Milliseconds that the next operation takes in addition.
    spin_up: Arc<AtomicU64>,
    operations: Arc<AtomicUsize>,
    /// If there is a list, folders other than the first one hang, and wait in it.
    hanging: Arc<Mutex<Option<Vec<ReplyOpen>>>>,
}

impl SlowDisk {
    fn operate(&self) {
        self.operations.fetch_add(1, Ordering::SeqCst);
        thread::sleep(self.delay + Duration::from_millis(self.spin_up.swap(0, Ordering::SeqCst)));
    }

    fn attributes(&self, ino: u64) -> FileAttr {
        let low_bits = ino & ((1 << FOLDER_BITS) - 1);
        let is_folder = ino == INodeNo::ROOT.0 || low_bits == 0 || low_bits == SUBS;
        let epoch = SystemTime::UNIX_EPOCH;
        let size = if low_bits == SUBTITLE { 0 } else { MANIFEST.len() as u64 };
        FileAttr {
            ino: INodeNo(ino),
            size: if is_folder { 0 } else { size },
            blocks: 1,
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

impl Filesystem for SlowDisk {
    fn lookup(&self, _: &Request, folder: INodeNo, name: &OsStr, reply: ReplyEntry) {
        self.operate();
        match self.layout.find(folder.0, &name.to_string_lossy()) {
            Some(ino) => reply.entry(&Duration::ZERO, &self.attributes(ino), Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, file: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        self.operate();
        reply.attr(&Duration::ZERO, &self.attributes(file.0));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        self.operate();
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        _: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        self.operate();
        reply.data(&MANIFEST[MANIFEST.len().min(offset as usize)..]);
    }

    fn opendir(&self, _: &Request, folder: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        self.operate();
        if let Some(hanging) = &mut *self.hanging.lock().unwrap()
            && folder.0 >= 2 << FOLDER_BITS
        {
            return hanging.push(reply);
        }
        reply.opened(FileHandle(0), FopenFlags::empty());
    }

    fn readdir(&self, _: &Request, folder: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        self.operate();
        let entries = self.layout.entries(folder.0);
        for (at, (ino, kind, name)) in entries.into_iter().enumerate().skip(offset as usize) {
            if reply.add(INodeNo(ino), at as u64 + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }
}

/// A mounted disk, unmounted on drop.
struct Mounted {
    session: Option<BackgroundSession>,
    disk: SlowDisk,
    folder: Folder,
}

impl Mounted {
    /// `None` if it can't be mounted, after a line that says why; panics if `FILMSTRIP_TEST_ALL` is set.
    fn new(layout: Layout, delay: Duration) -> Option<Self> {
        let folder = Folder::new();
        let disk =
            SlowDisk { layout, delay, spin_up: Arc::default(), operations: Arc::default(), hanging: Arc::default() };
        let mut config = Config::default();
        config.mount_options = vec![MountOption::RO, MountOption::FSName("filmstrip-slow".into())];
        match fuser::spawn_mount(disk.clone(), folder.path(), &config) {
            Ok(session) => Some(Self { session: Some(session), disk, folder }),
            Err(error) => {
                skip(&format!("no FUSE file system can be mounted here ({error})"));
                None
            }
        }
    }

    fn operations(&self) -> usize {
        self.disk.operations.load(Ordering::SeqCst)
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Those that hang get an error.
        drop(self.disk.hanging.lock().unwrap().take());
        let _ = self.session.take().map(BackgroundSession::umount_and_join);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    List,
    Walk,
    /// Of a link to the disk, in a folder elsewhere.
    ListLink,
    WalkLink,
}

impl Way {
    fn listing(self, disk: &Path) -> Listing {
        let elsewhere = Folder::new();
        symlink(disk, elsewhere.file("link")).unwrap();
        let directly = || Library::open(disk).unwrap();
        let through_link = || Library::open_with(elsewhere.path(), Links::Followed).unwrap();
        match self {
            Self::List => directly().list(b""),
            Self::Walk => directly().walk(b""),
            Self::ListLink => through_link().list(b"link"),
            Self::WalkLink => through_link().walk(b""),
        }
        .unwrap()
    }
}

/// Lists a disk that takes `delay` per operation.
fn check(layout: Layout, delay: Duration, way: Way, begin: &Barrier) {
    let mounted = Mounted::new(layout, delay);
    begin.wait();
    let Some(mounted) = mounted else { return };
    let what = format!("{layout:?}, {delay:?}, {way:?}");
    let started = Instant::now();
    let listing = way.listing(mounted.path());
    let elapsed = started.elapsed();
    let operations = mounted.operations();
    // Usually little more than five seconds.
    assert!(elapsed < Duration::from_secs(20), "{what}: {elapsed:?}");
    assert!(listing.omissions.too_slow, "{what}");
    assert_eq!(listing.omissions.to_string(), "This list is incomplete: slow disk.", "{what}");
    match way {
        Way::List | Way::ListLink => assert_eq!(listing.folders.len() as u64, layout.folders, "{what}"),
        Way::Walk | Way::WalkLink => assert!(!listing.videos.is_empty(), "{what}"),
    }
    if layout.folders == 0 {
        assert!((1..layout.films as usize).contains(&listing.videos.len()), "{what}: {}", listing.videos.len());
    } else if way == Way::List {
        let last = listing.folders.last().unwrap();
        assert_eq!((last.videos, last.has_more), (0, true), "{what}: without a count");
    }
    thread::sleep(Duration::from_millis(500));
    assert_eq!(mounted.operations(), operations, "{what}: operations after the answer");
}

#[test]
fn a_listing_of_a_slow_disk_ends_in_time_and_says_so() {
    let layout = |folders, films| Layout { folders, films, extras: false };
    let rows = [
        (5, layout(2000, 2)),
        (5, Layout { extras: true, ..layout(2000, 2) }),
        (10, layout(300, 10)),
        (20, layout(1000, 1)),
        (80, layout(10, 500)),
        (70, layout(0, 500)),
    ];
    let ways = |layout: Layout| match layout.folders {
        2000 => vec![Way::List, Way::Walk, Way::ListLink, Way::WalkLink],
        _ => vec![Way::List, Way::Walk],
    };
    let cases = rows.into_iter().flat_map(|(ms, layout)| ways(layout).into_iter().map(move |way| (ms, layout, way)));
    let cases: Vec<_> = cases.collect();
    let begin = Barrier::new(cases.len());
    thread::scope(|scope| {
        for &(milliseconds, layout, way) in &cases {
            let begin = &begin;
            scope.spawn(move || check(layout, Duration::from_millis(milliseconds), way, begin));
        }
    });
}

#[test]
fn the_page_and_the_playlist_of_a_slow_disk_say_that_they_are_incomplete() {
    let layout = Layout { folders: 2000, films: 2, extras: false };
    let Some(mounted) = Mounted::new(layout, Duration::from_millis(5)) else { return };
    let server = Running::over(&mounted.folder);
    thread::scope(|scope| {
        for target in ["/", "/playlist.m3u"] {
            let address = server.address;
            scope.spawn(move || {
                let answer = Client::get(address, target);
                assert_eq!(answer.status, 200, "{target}");
                assert!(answer.text().contains("This list is incomplete: slow disk."), "{target}");
            });
        }
    });
}

#[test]
fn a_disk_that_spins_up_is_listed_completely() {
    let layout = Layout { folders: 5, films: 3, extras: true };
    let Some(mounted) = Mounted::new(layout, Duration::ZERO) else { return };
    let library = Library::open(mounted.path()).unwrap();
    let spin_up = || mounted.disk.spin_up.store(7000, Ordering::SeqCst);
    spin_up();
    let started = Instant::now();
    let listing = library.walk(b"").unwrap();
    assert!(started.elapsed() >= Duration::from_secs(7));
    assert!(listing.omissions.is_nothing(), "{}", listing.omissions);
    // Three films and a manifest in each folder.
    assert_eq!(listing.videos.len(), 20);
    let listing = library.list(b"").unwrap();
    assert!(listing.omissions.is_nothing(), "{}", listing.omissions);
    assert!(listing.folders.iter().all(|folder| folder.videos == 4 && !folder.has_more), "{:?}", listing.folders);
}

#[test]
fn all_who_ask_for_the_page_of_a_disk_that_spins_up_get_it() {
    let layout = Layout { folders: 5, films: 3, extras: false };
    let Some(mounted) = Mounted::new(layout, Duration::ZERO) else { return };
    let server = Running::over(&mounted.folder);
    mounted.disk.spin_up.store(8000, Ordering::SeqCst);
    let started = Instant::now();
    thread::scope(|scope| {
        for target in ["/", "/", "/api/videos", "/playlist.m3u"] {
            let address = server.address;
            scope.spawn(move || {
                let answer = Client::get(address, target);
                assert_eq!(answer.status, 200, "{target}");
                assert!(!answer.text().contains("incomplete"), "{target}");
            });
        }
    });
    assert!(started.elapsed() >= Duration::from_secs(8));
}

#[test]
fn hanging_folders_keep_nobody_from_a_healthy_one() {
    let layout = Layout { folders: 20, films: 2, extras: false };
    let Some(mounted) = Mounted::new(layout, Duration::ZERO) else { return };
    let server = Running::over(&mounted.folder);
    *mounted.disk.hanging.lock().unwrap() = Some(Vec::new());
    let ask = |folder: u64| {
        let mut client = Client::connect(server.address);
        client.send(format!("GET /?path=folder%20{folder} HTTP/1.1\r\nHost: nas\r\n\r\n"));
        client
    };
    let hanging: Vec<Client> = (2..=20).map(ask).collect();
    support::eventually("all of them hang", || {
        mounted.disk.hanging.lock().unwrap().as_ref().is_some_and(|waiting| waiting.len() == hanging.len())
    });
    for _ in 0..6 {
        let started = Instant::now();
        assert_eq!(ask(1).read("GET").status, 200);
        // Before, it waited for turns that the others had taken for six seconds each.
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }
}
