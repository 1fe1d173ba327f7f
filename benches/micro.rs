//! The cost of each part of a request: parsing, planning, opening the file and writing the head; and of listing a large
//! folder.
//!
//! Together, the parts of a request take a few microseconds, little compared with the kernel's part
//! (`benches/compare`).
#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "a benchmark needs its folder")]

use std::fs;
use std::time::SystemTime;

use divan::{Bencher, black_box};
use filmstrip::http::range;
use filmstrip::http::request::{Head, HeadScan};
use filmstrip::http::response::Response;
use filmstrip::http::target::Target;
use filmstrip::{Library, Site};
use tempfile::TempDir;

/// Counts allocations; a request should have few.
#[global_allocator]
static ALLOCATOR: divan::AllocProfiler = divan::AllocProfiler::system();

fn main() {
    divan::main();
}

/// A minimal request.
const SHORT: &[u8] = b"GET /video/film.mp4 HTTP/1.1\r\nHost: nas:8000\r\nRange: bytes=100000000-100001023\r\n\r\n";

/// Chromium's request for a seek.
const BROWSER: &[u8] = b"GET /video/season%201/e01.mp4 HTTP/1.1\r\n\
    Host: nas:8000\r\n\
    Connection: keep-alive\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 \
    Safari/537.36\r\n\
    Accept-Encoding: identity;q=1, *;q=0\r\n\
    Accept: */*\r\n\
    Referer: http://nas:8000/watch/season%201/e01.mp4\r\n\
    Accept-Language: en-US,en;q=0.9,de;q=0.8\r\n\
    If-Range: \"10000000-18ea8b219c16656d\"\r\n\
    Range: bytes=104857600-\r\n\r\n";

const HEADS: [&str; 2] = ["short", "browser"];

fn head(name: &str) -> &'static [u8] {
    if name == "short" { SHORT } else { BROWSER }
}

/// A folder with the two requested files.
fn folder() -> std::io::Result<TempDir> {
    let folder = tempfile::tempdir()?;
    fs::create_dir(folder.path().join("season 1"))?;
    for film in ["film.mp4", "season 1/e01.mp4"] {
        // Sparse: its bytes are never read.
        fs::File::create(folder.path().join(film))?.set_len(256 * 1024 * 1024)?;
    }
    Ok(folder)
}

/// Finding the end of a head.
#[divan::bench(args = HEADS)]
fn scan_head(bencher: Bencher, name: &str) {
    let bytes = head(name);
    bencher.bench(|| HeadScan::default().advance(black_box(bytes)));
}

/// Reading a head.
#[divan::bench(args = HEADS)]
fn parse_head(bencher: Bencher, name: &str) {
    let bytes = head(name);
    bencher.bench(|| Head::parse(black_box(bytes)).map(|head| head.target.len()));
}

/// Decoding a target.
#[divan::bench(args = ["/video/film.mp4", "/video/season%201/e01.mp4?download"])]
fn parse_target(target: &str) -> bool {
    Target::parse(black_box(target)).is_some()
}

/// Evaluating a `Range` field.
#[divan::bench(args = ["bytes=0-", "bytes=100000000-100001023", "bytes=-500", "bytes=0-0,10-19,15-30,-5"])]
fn select_range(field: &str) -> range::Selection {
    range::select(black_box(field), black_box(256 * 1024 * 1024))
}

/// Opening and closing a file by its name.
#[divan::bench(args = ["film.mp4", "season 1/e01.mp4", "not there.mp4"])]
fn open_file(bencher: Bencher, name: &str) {
    let folder = folder().expect("a folder can be made");
    let library = Library::open(folder.path()).expect("the folder is there");
    bencher.bench_local(|| library.open_file(black_box(name.as_bytes())).is_ok());
}

/// Listing a folder of ten thousand videos.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn list_ten_thousand(bencher: Bencher) {
    let folder = folder().expect("a folder can be made");
    for number in 0..10_000 {
        fs::File::create(folder.path().join(format!("season 1/film {number}.mp4"))).expect("the disk has space");
    }
    let library = Library::open(folder.path()).expect("the folder is there");
    bencher.bench_local(|| library.list(black_box(b"season 1")).map(|listing| listing.videos.len()));
}

/// Planning a response, with an open file, and closing it.
#[divan::bench(args = HEADS)]
fn plan(bencher: Bencher, name: &str) {
    let folder = folder().expect("a folder can be made");
    let site = Site::new(Library::open(folder.path()).expect("the folder is there"));
    let head = parsed(head(name));
    let now = SystemTime::now();
    bencher.bench_local(|| site.answer(black_box(&head), now).status);
}

/// Writing the head of a response.
#[divan::bench]
fn write_head(bencher: Bencher) {
    let folder = folder().expect("a folder can be made");
    let site = Site::new(Library::open(folder.path()).expect("the folder is there"));
    let response: Response = site.answer(&parsed(SHORT), SystemTime::now());
    let mut out = Vec::with_capacity(4096);
    bencher.bench_local(|| {
        out.clear();
        black_box(&response).write_head(&mut out, black_box("Sun, 06 Nov 1994 08:49:37 GMT"), None);
        out.len()
    });
}

fn parsed(bytes: &[u8]) -> Head<'_> {
    Head::parse(bytes).expect("the head is valid")
}
