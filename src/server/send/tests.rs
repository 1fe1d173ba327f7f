use super::*;
use crate::server::socket::script::Script;
use std::io::Write;
use std::sync::Arc;

const CHUNK: usize = 4096;

const TIMEOUT: Duration = Duration::from_secs(60);

fn copies(chunk_size: usize) -> CopyMode {
    CopyMode { chunk_size, sendfile: false }
}

/// An open file that has no name any more.
fn file(bytes: &[u8]) -> Arc<File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Arc::new(file)
}

fn film(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 % 251) as u8).collect()
}

/// How the sending of a response ended.
struct Sent {
    body_bytes: u64,
    begun: bool,
    outcome: Result<(), SendError>,
}

fn transmit(mut script: &mut Script, body: &Body, mode: CopyMode) -> Sent {
    let mut clock = StallClock::default();
    let mut on_long = || ();
    let mut out = Writer::new(&mut script, &mut clock, TIMEOUT, &mut on_long);
    let outcome = send(&mut out, b"head".to_vec(), body, mode, false);
    let sent = out.sent();
    Sent { body_bytes: sent.saturating_sub(4), begun: sent > 0, outcome }
}

#[test]
fn the_head_goes_out_with_the_first_chunk() {
    let film = film(3 * CHUNK + 5);
    let mut script = Script::new();
    let sent = transmit(&mut script, &Body::Slice(file(&film), 0..film.len() as u64), copies(CHUNK));
    assert!(sent.outcome.is_ok() && sent.body_bytes == film.len() as u64);
    let sizes: Vec<usize> = script.sent.iter().map(Vec::len).collect();
    assert_eq!(sizes, [4 + CHUNK, CHUNK, CHUNK, 5]);
    assert_eq!(script.sent.concat(), [b"head", &film[..]].concat());
}

#[test]
fn bodies_arrive_whole_whatever_the_chunk() {
    let film = film(10_000);
    let chunk_sizes = [1, 7, 1447, 1448, CHUNK, 9_999, 10_000, 1 << 24];
    for (chunk_size, sendfile) in chunk_sizes.into_iter().flat_map(|size| [(size, false), (size, true)]) {
        let parts = vec![("one".into(), 0..1), ("two".into(), 5000..9000), ("three".into(), 9999..10_000)];
        let rows = [
            (Body::Empty, Vec::new()),
            (Body::Bytes(b"page".to_vec().into()), b"page".to_vec()),
            (Body::Slice(file(&film), 0..0), Vec::new()),
            (Body::Slice(file(&film), 17..9_000), film[17..9_000].to_vec()),
            (
                Body::Slices(file(&film), parts, "end".into()),
                [b"one", &film[..1], b"two", &film[5000..9000], b"three", &film[9999..], b"end"].concat(),
            ),
        ];
        for (body, want) in rows {
            let mut script = Script::new();
            let sent = transmit(&mut script, &body, CopyMode { sendfile, chunk_size });
            assert!(sent.outcome.is_ok());
            assert_eq!((sent.body_bytes, body.len()), (want.len() as u64, want.len() as u64), "{chunk_size}");
            assert!(script.sent.concat() == [b"head", &want[..]].concat(), "{chunk_size}: {body:?}");
            assert_eq!(script.more.last(), Some(&false), "the last write holds nothing back");
        }
    }
}

#[test]
fn small_chunks_are_held_back_until_a_segment_is_full() {
    let film = film(5000);
    for (chunk_size, held_back) in [(1000, true), (1448, false), (CHUNK, false)] {
        let mut script = Script::new();
        transmit(&mut script, &Body::Slice(file(&film), 0..5000), copies(chunk_size));
        assert_eq!(script.more[0], held_back, "{chunk_size}");
    }
}

#[test]
fn the_last_bytes_wait_for_the_fin_if_there_is_one() {
    for (body, chunks) in [(Body::Empty, 1), (Body::Slice(file(&film(5000)), 0..5000), 2)] {
        let (mut script, mut clock) = (Script::new(), StallClock::default());
        let mut socket = &mut script;
        let mut on_long = || ();
        let mut out = Writer::new(&mut socket, &mut clock, TIMEOUT, &mut on_long);
        send(&mut out, b"head".to_vec(), &body, copies(CHUNK), true).unwrap();
        assert_eq!((script.more.len(), script.more.last()), (chunks, Some(&true)));
    }
}

#[test]
fn a_client_that_takes_a_chunk_within_the_timeout_is_never_cut() {
    let film = film(20 * CHUNK);
    let mut script = Script::new().takes_at_first(CHUNK);
    for turn in 1..=20 {
        script = script.takes(f64::from(turn) * 59.0, CHUNK);
    }
    let sent = transmit(&mut script, &Body::Slice(file(&film), 0..film.len() as u64), copies(CHUNK));
    assert!(sent.outcome.is_ok());
    assert!(script.elapsed() > 1000.0);
}

#[test]
fn a_drip_does_not_extend_the_stall_clock() {
    let film = film(20 * CHUNK);
    let mut script = Script::new().takes_at_first(CHUNK);
    for second in 1..1000 {
        script = script.takes(f64::from(second), 60);
    }
    let sent = transmit(&mut script, &Body::Slice(file(&film), 0..film.len() as u64), copies(CHUNK));
    assert!(matches!(sent.outcome, Err(SendError::Stalled)));
    assert_eq!(script.elapsed(), 60.0);
    assert_eq!(sent.body_bytes, (CHUNK - 4 + 60 * 60) as u64);
}

#[test]
fn one_large_chunk_is_no_excuse_to_cut_a_steady_client() {
    let film = film(1 << 20);
    let mut script = Script::new().takes_at_first(CHUNK);
    for turn in 1..=300 {
        script = script.takes(f64::from(turn) * 50.0, CHUNK);
    }
    let sent = transmit(&mut script, &Body::Slice(file(&film), 0..1 << 20), copies(1 << 20));
    assert!(sent.outcome.is_ok());
}

#[test]
fn a_file_that_became_shorter_ends_the_response() {
    let film = film(10_000);
    let mut script = Script::new();
    let short = file(&film);
    let sent = transmit(&mut script, &Body::Slice(short, 0..20_000), copies(CHUNK));
    assert!(matches!(sent.outcome, Err(SendError::Truncated)) && sent.begun);
    assert_eq!(sent.body_bytes, 2 * CHUNK as u64);

    let mut script = Script::new();
    let sent = transmit(&mut script, &Body::Slice(file(b""), 0..20_000), copies(CHUNK));
    assert!(matches!(sent.outcome, Err(SendError::Truncated)) && !sent.begun, "nothing was promised yet");
}

#[test]
fn the_kernels_copy_has_the_same_deadline_end_and_accounts() {
    let by_kernel = CopyMode { sendfile: true, chunk_size: CHUNK };
    let film = film(1 << 20);
    let mut steady = Script::new().takes_at_first(CHUNK);
    let mut dripping = Script::new().takes_at_first(CHUNK);
    for turn in 1..=300 {
        steady = steady.takes(f64::from(turn) * 50.0, CHUNK);
        dripping = dripping.takes(f64::from(turn), 60);
    }
    let body = Body::Slice(file(&film), 0..1 << 20);
    assert!(transmit(&mut steady, &body, by_kernel).outcome.is_ok());
    assert!(steady.sent.concat() == [b"head", &film[..]].concat());
    let sent = transmit(&mut dripping, &body, by_kernel);
    assert!(matches!(sent.outcome, Err(SendError::Stalled)));
    assert_eq!((dripping.elapsed(), sent.body_bytes), (60.0, (CHUNK - 4 + 60 * 60) as u64));

    let sent = transmit(&mut Script::new(), &Body::Slice(file(&film[..10_000]), 0..20_000), by_kernel);
    assert!(matches!(sent.outcome, Err(SendError::Truncated)));
    assert_eq!(sent.body_bytes, 10_000);

    for short in [CopyMode { chunk_size: CHUNK, sendfile: false }, by_kernel] {
        let sent = transmit(&mut Script::new(), &Body::Slice(file(b""), 0..20_000), short);
        assert!(matches!(sent.outcome, Err(SendError::Truncated)) && !sent.begun, "the head is not sent");
    }
}

/// Each response is smaller than what restarts the clock, and each time the client takes some of it.
#[test]
fn the_next_response_does_not_start_the_stall_clock_again() {
    let mut script = Script::new().takes_at_first(100);
    for tenth in 1..1000 {
        script = script.takes(f64::from(tenth) * 10.0, 400);
    }
    let (mut clock, mut responses) = (StallClock::default(), 0);
    let mut socket = &mut script;
    let mut on_long = || ();
    let outcome = loop {
        let mut out = Writer::new(&mut socket, &mut clock, TIMEOUT, &mut on_long);
        match send(&mut out, b"head".to_vec(), &Body::Bytes(vec![b'x'; 396].into()), copies(CHUNK), false) {
            Ok(()) => responses += 1,
            Err(broken) => break broken,
        }
    };
    assert!(matches!(outcome, SendError::Stalled));
    assert_eq!((script.elapsed(), responses), (60.0, 6));
}

#[test]
fn a_response_is_a_long_one_after_128_kib_or_when_the_socket_is_full() {
    let rows = [
        (LONG_RESPONSE - 1, Script::new(), 0),
        (LONG_RESPONSE, Script::new(), 1),
        (9, Script::new().takes_at_first(5), 1),
    ];
    for (length, mut script, want) in rows {
        let mut clock = StallClock::default();
        let mut calls = 0;
        let mut on_long = || calls += 1;
        let mut socket = &mut script;
        let mut out = Writer::new(&mut socket, &mut clock, TIMEOUT, &mut on_long);
        let _ = send(&mut out, Vec::new(), &Body::Bytes(vec![b'x'; length as usize].into()), copies(CHUNK), false);
        assert_eq!(calls, want, "{length}");
    }
}
