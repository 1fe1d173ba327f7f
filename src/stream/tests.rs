use super::*;
use crate::transport::script::Script;
use std::io::Write;
use std::sync::Arc;

const CHUNK: usize = 4096;

fn pace(chunk_size: usize) -> Pace {
    Pace { chunk_size, stall_timeout: Duration::from_secs(60), sendfile: false }
}

/// An open file that has no name any more.
fn file(bytes: &[u8]) -> Arc<File> {
    static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("filmstrip-stream-{}-{count}", std::process::id()));
    let mut file = File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
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
    outcome: Result<(), Break>,
}

fn transmit(script: &mut Script, body: &Body, pace: Pace) -> Sent {
    let mut buffer = b"head".to_vec();
    let mut sending = Sending::new(4, false);
    let outcome = loop {
        match sending.advance(&mut &mut *script, body, &mut buffer, pace) {
            Ok(Progress::Done) => break Ok(()),
            Ok(Progress::Full(until)) => script.wait_writable(until),
            Ok(Progress::Paused) => {}
            Err(broken) => break Err(broken),
        }
        buffer = b"what another client is sent".to_vec();
    };
    Sent { body_bytes: sending.body_bytes(), begun: sending.has_begun(), outcome }
}

#[test]
fn the_head_goes_out_with_the_first_chunk() {
    let film = film(3 * CHUNK + 5);
    let mut script = Script::new();
    let sent = transmit(&mut script, &Body::Slice(file(&film), 0..film.len() as u64), pace(CHUNK));
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
            (Body::Bytes(b"page"[..].into()), b"page".to_vec()),
            (Body::Slice(file(&film), 0..0), Vec::new()),
            (Body::Slice(file(&film), 17..9_000), film[17..9_000].to_vec()),
            (
                Body::Slices(file(&film), parts, "end".into()),
                [b"one", &film[..1], b"two", &film[5000..9000], b"three", &film[9999..], b"end"].concat(),
            ),
        ];
        for (body, want) in rows {
            let mut script = Script::new();
            let sent = transmit(&mut script, &body, Pace { sendfile, ..pace(chunk_size) });
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
        transmit(&mut script, &Body::Slice(file(&film), 0..5000), pace(chunk_size));
        assert_eq!(script.more[0], held_back, "{chunk_size}");
    }
}

#[test]
fn the_last_bytes_wait_for_the_goodbye_if_there_is_one() {
    for (body, chunks) in [(Body::Empty, 1), (Body::Slice(file(&film(5000)), 0..5000), 2)] {
        let mut script = Script::new();
        let sent = Sending::new(4, true).advance(&mut &mut script, &body, &mut b"head".to_vec(), pace(CHUNK));
        assert_eq!((sent.unwrap(), script.more.len(), script.more.last()), (Progress::Done, chunks, Some(&true)));
    }
}

#[test]
fn nothing_is_held_back_when_a_turn_ends() {
    let film = film(4 * TURN as usize);
    let body = Body::Slice(file(&film), 0..film.len() as u64);
    let (mut script, mut sending, mut buffer) = (Script::new(), Sending::new(4, false), b"head".to_vec());
    let mut pauses = 0;
    while sending.advance(&mut &mut script, &body, &mut buffer, pace(1000)).unwrap() == Progress::Paused {
        assert_eq!(script.more.pop(), Some(false));
        assert!(script.more.iter().all(|&more| more), "the rest of a turn is");
        script.more.clear();
        pauses += 1;
    }
    assert_eq!(pauses, 4 - 1);
}

#[test]
fn a_client_that_takes_a_chunk_within_the_timeout_is_never_cut() {
    let film = film(20 * CHUNK);
    let mut script = Script::new().takes_at_first(CHUNK);
    for turn in 1..=20 {
        script = script.takes(f64::from(turn) * 59.0, CHUNK);
    }
    let sent = transmit(&mut script, &Body::Slice(file(&film), 0..film.len() as u64), pace(CHUNK));
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
    let sent = transmit(&mut script, &Body::Slice(file(&film), 0..film.len() as u64), pace(CHUNK));
    assert!(matches!(sent.outcome, Err(Break::Stalled)));
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
    let sent = transmit(&mut script, &Body::Slice(file(&film), 0..1 << 20), pace(1 << 20));
    assert!(sent.outcome.is_ok());
}

#[test]
fn a_file_that_became_shorter_ends_the_response() {
    let film = film(10_000);
    let mut script = Script::new();
    let short = file(&film);
    let sent = transmit(&mut script, &Body::Slice(short, 0..20_000), pace(CHUNK));
    assert!(matches!(sent.outcome, Err(Break::Truncated)) && sent.begun);
    assert_eq!(sent.body_bytes, 2 * CHUNK as u64);

    let mut script = Script::new();
    let sent = transmit(&mut script, &Body::Slice(file(b""), 0..20_000), pace(CHUNK));
    assert!(matches!(sent.outcome, Err(Break::Truncated)) && !sent.begun, "nothing was promised yet");
}

#[test]
fn the_kernels_copy_has_the_same_deadline_end_and_accounts() {
    let by_kernel = Pace { sendfile: true, ..pace(CHUNK) };
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
    assert!(matches!(sent.outcome, Err(Break::Stalled)));
    assert_eq!((dripping.elapsed(), sent.body_bytes), (60.0, (CHUNK - 4 + 60 * 60) as u64));

    let sent = transmit(&mut Script::new(), &Body::Slice(file(&film[..10_000]), 0..20_000), by_kernel);
    assert!(matches!(sent.outcome, Err(Break::Truncated)));
    assert_eq!(sent.body_bytes, 10_000);
    let mut sending = Sending::new(4, false);
    let at_once = sending.advance(
        &mut &mut Script::new(),
        &Body::Slice(file(&film[..10_000]), 0..20_000),
        &mut b"head".to_vec(),
        by_kernel,
    );
    assert!(matches!(at_once, Err(Break::Truncated)), "the file's end is no full socket, which would be waited for");
}
