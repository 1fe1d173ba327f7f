//! filmstrip behind the servers of docs/SCALING.md, with the configurations in contrib/, on loopback.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::crawler;
use crate::support::{Answer, Client, Folder, Program, eventually, film, find_program};

const MIB: usize = 1 << 20;

/// Of nginx-cache.conf.
const SLICE: usize = 4 * MIB;

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A file of contrib/ in which each text, an address of the example, is replaced by another.
fn contrib(name: &str, changes: &[(&str, &str)]) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib").join(name);
    let text = fs::read_to_string(file).unwrap();
    changes.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "{name} has no {from:?}");
        text.replace(from, to)
    })
}

/// filmstrip, which believes the server in front of it, with its log in a file.
struct Origin {
    program: Program,
    log: PathBuf,
}

impl Origin {
    fn start(folder: &Folder, port: u16, options: &[&str]) -> Self {
        let log = folder.file(".log");
        let mut command = Program::command();
        command.arg(folder.path()).args(["--trust-proxy", "127.0.0.1", "--port", &port.to_string()]).args(options);
        command.stderr(File::options().create(true).append(true).open(&log).unwrap());
        Self { program: Program::start_command(command), log }
    }

    /// What follows `request` in the lines of the log: `206 1048576/1048576 0.3ms`.
    fn answers(&self, request: &str) -> Vec<String> {
        let log = fs::read_to_string(&self.log).unwrap();
        // The last line may be incomplete.
        let log = log.rsplit_once('\n').unwrap_or_default().0;
        let answer = |line: &str| Some(line.split_once(&format!("\"{request} HTTP/1.1\" "))?.1.to_owned());
        log.lines().filter_map(answer).collect()
    }

    /// How many of them have `status`, and their bytes.
    fn sent(&self, request: &str, status: &str) -> (usize, usize) {
        let answers = self.answers(request);
        let with_status = answers.iter().filter_map(|answer| answer.strip_prefix(status)?.split(['/', ' ']).nth(1));
        let sent: Vec<usize> = with_status.map(|bytes| bytes.parse().unwrap()).collect();
        (sent.len(), sent.iter().sum())
    }
}

/// A server in front of filmstrip, with its own process group, so that no process of it is left behind.
struct Proxy {
    child: Child,
    address: SocketAddr,
}

impl Proxy {
    /// Starts `command` with its log in `folder`, and waits until it listens on `port`.
    fn start(mut command: Command, folder: &Folder, port: u16) -> Self {
        let log = folder.file(".proxy");
        let out = File::create(&log).unwrap();
        command.stdout(out.try_clone().unwrap()).stderr(out).process_group(0);
        let mut proxy = Self { child: command.spawn().unwrap(), address: SocketAddr::from(([127, 0, 0, 1], port)) };
        eventually("the server listens", || {
            let ended = proxy.child.try_wait().unwrap();
            assert!(ended.is_none(), "{command:?}: {}", fs::read_to_string(&log).unwrap());
            TcpStream::connect(proxy.address).is_ok()
        });
        proxy
    }

    /// The answer to a GET on a connection of its own; its body may be cut.
    fn get(&self, target: &str, fields: &[&str]) -> Answer {
        let mut client = Client::connect(self.address);
        client.send(request(self.address, target, fields));
        let mut answer = client.read_head().expect("a response");
        answer.body = client.read_rest();
        answer
    }

    fn part(&self, target: &str, range: std::ops::Range<usize>) -> Answer {
        self.get(target, &[&format!("Range: bytes={}-{}", range.start, range.end - 1)])
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let pid = Pid::from_child(&self.child);
        let _ = kill_process(pid, Signal::TERM);
        let deadline = Instant::now() + Duration::from_secs(5);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        // What is left of its group, if anything is.
        let _ = kill_process_group(pid, Signal::KILL);
        let _ = self.child.wait();
    }
}

fn request(host: SocketAddr, target: &str, fields: &[&str]) -> String {
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{fields}\r\n")
}

/// What a client may send to be taken for another one, or to get a playlist of another host.
const SPOOFED: [&str; 3] =
    ["X-Forwarded-For: 203.0.113.9", "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: gopher"];

/// Panics if `proxy` lets them through to `origin`, which believes it.
fn assert_no_spoofing(proxy: &Proxy, root: &str, origin: &Origin) {
    let playlist = proxy.get(&format!("{root}playlist.m3u"), &SPOOFED);
    let own = format!("\nhttp://{}{root}video/", proxy.address);
    assert!(playlist.text().contains(&own) && !playlist.text().contains("evil"), "{}", playlist.text());
    eventually("it is logged", || !origin.answers(&format!("GET {root}playlist.m3u")).is_empty());
    assert!(!fs::read_to_string(&origin.log).unwrap().contains("203.0.113.9"));
}

fn tag(answer: &Answer) -> String {
    answer.field("etag").unwrap().to_owned()
}

/// Copies the files of `from` with their times, as `rsync -rt` does.
fn copy(from: &Folder, names: &[String]) -> Folder {
    names.iter().fold(Folder::new(), |to, name| {
        let to = to.with(name, fs::read(from.file(name)).unwrap());
        let modified = fs::metadata(from.file(name)).unwrap().modified().unwrap();
        File::options().write(true).open(to.file(name)).unwrap().set_modified(modified).unwrap();
        to
    })
}

#[test]
fn haproxy_keeps_a_film_on_one_replica_and_the_other_continues_it() {
    let Some(haproxy) = find_program("haproxy", "haproxy") else { return };
    let long = film(30_000_000);
    let names: Vec<String> = (1..=16).map(|number| format!("series/e{number:02}.mp4")).collect();
    let first = names.iter().fold(Folder::new(), |folder, name| folder.with(name, &long[..100_000]));
    let first = first.with("long.mp4", &long);
    let second = copy(&first, &[&names[..], &["long.mp4".into()]].concat());
    let folders = [first, second];
    let mut replicas = folders.each_ref().map(|folder| Origin::start(folder, 0, &[]));
    let ports = replicas.each_ref().map(|replica| replica.program.address.port());

    let (folder, port) = (Folder::new(), free_port());
    let [address, nas1, nas2] = [port, ports[0], ports[1]].map(|port| format!("127.0.0.1:{port}"));
    let bind = format!("bind {address}");
    let changes =
        // So many connections want more descriptors than a test may have.
        [("maxconn 20000", "maxconn 500"), ("bind :80", &*bind), ("nas1:8000", &nas1), ("nas2:8000", &nas2)];
    let folder = folder.with("haproxy.cfg", contrib("haproxy.cfg", &changes));
    let mut command = Command::new(haproxy);
    command.arg("-db").arg("-f").arg(folder.file("haproxy.cfg"));
    let proxy = Proxy::start(command, &folder, port);

    // A film and its replica: the queries of a film are no other films.
    for name in &names {
        for query in ["", "?download", "?other"] {
            let answer = proxy.part(&format!("/video/{name}{query}"), 5..10);
            assert!(answer.status == 206 && answer.body == long[5..10], "{name}{query}");
        }
    }
    let asked = |replica: &Origin, name: &str| {
        ["", "?download", "?other"]
            .map(|query| replica.sent(&format!("GET /video/{name}{query}"), "206").0)
            .iter()
            .sum()
    };
    let count = |name: &String| replicas.each_ref().map(|replica| asked(replica, name));
    eventually("all are logged", || names.iter().all(|name| count(name).iter().sum::<usize>() == 3));
    let by_replica = names.iter().map(count).collect::<Vec<[usize; 2]>>();
    assert!(by_replica.iter().all(|counts| matches!(counts, [3, 0] | [0, 3])), "{by_replica:?}");
    let of_first = by_replica.iter().filter(|counts| counts[0] > 0).count();
    assert!((4..=12).contains(&of_first), "{by_replica:?}");

    assert_eq!(proxy.get("/playlist.m3u", &[]).status, 200);
    let lists = |replica: &&Origin| !replica.answers("GET /playlist.m3u").is_empty();
    eventually("it is logged", || replicas.iter().any(|replica| lists(&replica)));
    assert_no_spoofing(&proxy, "/", replicas.iter().find(lists).unwrap());

    // One validator, whichever replica answers.
    let tags = ports.map(|port| {
        let mut client = Client::connect(SocketAddr::from(([127, 0, 0, 1], port)));
        client.send("HEAD /video/long.mp4 HTTP/1.1\r\nHost: nas\r\n\r\n");
        tag(&client.read("HEAD"))
    });
    assert_eq!(tags[0], tags[1]);

    // The replica of a stream is killed; the client goes on where it was.
    assert_eq!(proxy.part("/video/long.mp4", 0..1).status, 206);
    let has_long = |replica: &Origin| replica.sent("GET /video/long.mp4", "206").0 > 0;
    eventually("it is logged", || replicas.iter().any(has_long));
    let serving = replicas.iter().position(has_long).unwrap();
    let mut client = Client::connect(proxy.address);
    client.send(request(proxy.address, "/video/long.mp4", &[]));
    assert_eq!(client.read_head().unwrap().status, 200);
    let mut begun = vec![0; MIB];
    client.read_exact(&mut begun);
    replicas[serving].program.child.kill().unwrap();
    begun.extend(client.read_rest());
    assert!(begun.len() < long.len() && begun == long[..begun.len()], "{} bytes, then cut", begun.len());
    let rest = [&*format!("Range: bytes={}-", begun.len()), &*format!("If-Range: {}", tags[0])];
    let answer = proxy.get("/video/long.mp4", &rest);
    assert!(answer.status == 206 && answer.body == long[begun.len()..], "{}", answer.status);
    for name in &names {
        assert_eq!(proxy.part(&format!("/video/{name}"), 0..1).status, 206, "{name}");
    }

    // It is used again after its restart.
    fs::remove_file(&replicas[serving].log).unwrap();
    replicas[serving] = Origin::start(&folders[serving], ports[serving], &[]);
    eventually("the replica has its film again", || {
        assert_eq!(proxy.part("/video/long.mp4", 0..1).status, 206);
        has_long(&replicas[serving])
    });
}

/// nginx with the configuration `main`, which listens on `port`.
fn nginx(main: &str, port: u16) -> Option<(Proxy, Folder)> {
    let program = find_program("nginx", "nginx")?;
    let folder = Folder::new();
    let dir = folder.path().display().to_string();
    // As root, its workers would be a user who may not use the folder.
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    let places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|of| format!("{of}_temp_path {dir}/{of};"));
    let main = main
        .replace("user www-data;", &format!("{user} daemon off; error_log stderr;"))
        .replace("/run/nginx.pid", &format!("{dir}/pid"))
        .replace("http {", &format!("http {{ {}", places.join(" ")))
        .replace("listen 80;", &format!("listen 127.0.0.1:{port};"))
        .replace("/var/cache/nginx", &dir);
    let folder = folder.with("nginx.conf", main);
    let mut command = Command::new(program);
    command.args(["-e", "stderr", "-p"]).arg(folder.path()).arg("-c").arg(folder.file("nginx.conf"));
    Some((Proxy::start(command, &folder, port), folder))
}

fn nginx_cache(origin: &Origin) -> Option<(Proxy, Folder)> {
    let nas1 = format!("server {};", origin.program.address);
    // So many files and connections want more descriptors than a test may have.
    let changes = [("server nas1:8000;", &*nas1), ("500000", "2000"), ("20000;", "500;")];
    nginx(&contrib("nginx-cache.conf", &changes), free_port())
}

#[test]
fn nginx_fetches_each_slice_once_and_never_mixes_two_films() {
    let old = film(8 * SLICE + 1000);
    let films = Folder::new().with("film.mp4", &old).with("other.mp4", &old).with("list.m3u8", "#EXTM3U\n");
    let films = films.with("paused.mp4", &old);
    let origin = Origin::start(&films, 0, &[]);
    let Some((proxy, _folder)) = nginx_cache(&origin) else { return };

    // It reads nothing until the end of this test.
    let mut paused = Client::connect(proxy.address);
    paused.send(request(proxy.address, "/video/paused.mp4", &[]));
    assert_eq!(paused.read_head().unwrap().status, 200);

    // A film is replaced while its first two slices are here: the response has no byte of the new one.
    let new: Vec<u8> = old.iter().rev().copied().chain([7; 5000]).collect();
    assert!(proxy.part("/video/other.mp4", 0..2 * SLICE).body == old[..2 * SLICE]);
    fs::write(films.file(".new"), &new).unwrap();
    fs::rename(films.file(".new"), films.file("other.mp4")).unwrap();
    let cut = proxy.get("/video/other.mp4", &[]);
    assert!(cut.body == old[..2 * SLICE], "{} bytes", cut.body.len());

    // Fifty clients seek at the same time.
    let starts: Vec<usize> = (0..50).map(|number| (number % 5) * SLICE + number * 85_000).collect();
    std::thread::scope(|scope| {
        for &start in &starts {
            let (proxy, old) = (&proxy, &old);
            scope.spawn(move || {
                let answer = proxy.part("/video/film.mp4", start..start + 100_000);
                assert!(answer.status == 206 && answer.body == old[start..start + 100_000], "{start}");
            });
        }
    });
    let slices: BTreeSet<usize> = starts.iter().flat_map(|start| [start / SLICE, (start + 99_999) / SLICE]).collect();
    let sent = || origin.sent("GET /video/film.mp4", "206");
    eventually("all slices are logged", || sent().0 >= slices.len());
    assert_eq!(sent(), (slices.len(), slices.len() * SLICE));

    // A whole film takes what is missing. Later on nothing is sent, only validated.
    let whole = proxy.get("/video/film.mp4", &[]);
    assert!(whole.status == 200 && whole.body == old);
    eventually("all slices are logged", || sent().0 >= 9);
    assert_eq!(sent(), (9, old.len()));
    eventually("a slice is validated", || {
        assert!(proxy.part("/video/film.mp4", 0..100).body == old[..100]);
        origin.sent("GET /video/film.mp4", "304").0 > 0
    });
    assert_eq!(sent(), (9, old.len()));

    // What a player may ask.
    let tag = tag(&whole);
    let rows = [
        (vec!["Range: bytes=5000000-5000009".into(), format!("If-Range: {tag}")], 206, &old[5_000_000..5_000_010]),
        (vec!["Range: bytes=5000000-5000009".into(), "If-Range: \"stale\"".into()], 200, &old[..]),
        (vec!["Range: bytes=-10".into()], 206, &old[old.len() - 10..]),
        (vec![format!("If-None-Match: {tag}")], 304, &[]),
    ];
    for (fields, status, body) in rows {
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let answer = proxy.get("/video/film.mp4", &fields);
        assert!(answer.status == status && answer.body == body, "{fields:?}: {}", answer.status);
    }
    let beyond = proxy.get("/video/film.mp4", &["Range: bytes=99999999-"]);
    let size = format!("bytes */{}", old.len());
    assert_eq!((beyond.status, beyond.field("content-range")), (416, Some(&*size)));
    assert!(proxy.get("/video/film.mp4?download", &[]).field("content-disposition").is_some());
    assert!(proxy.get("/video/film.mp4", &[]).field("content-disposition").is_none());

    // Ten seconds after it was replaced, the other film is served as it is now.
    eventually("the new film is served", || {
        let answer = proxy.get("/video/other.mp4", &[]);
        assert!(old.starts_with(&answer.body) || new.starts_with(&answer.body));
        answer.body.len() == new.len()
    });
    let resumed = proxy.get("/video/other.mp4", &["Range: bytes=5000000-", &format!("If-Range: {tag}")]);
    assert!(resumed.status == 200 && resumed.body == new);

    assert_no_spoofing(&proxy, "/", &origin);

    // For the one that paused, the origin was asked for no more than what sockets hold.
    assert!(origin.sent("GET /video/paused.mp4", "206").0 < 9);

    // What isn't cached.
    for target in ["/", "/metrics", "/video/list.m3u8"] {
        (0..3).for_each(|_| assert_eq!(proxy.get(target, &[]).status, 200, "{target}"));
        eventually("all are passed on", || origin.answers(&format!("GET {target}")).len() == 3);
    }
}

fn varnish(origin: &Origin) -> Option<(Proxy, Folder)> {
    let program = find_program("varnishd", "varnish")?;
    let (folder, port) = (Folder::new(), free_port());
    let nas1 = origin.program.address.port().to_string();
    let changes = [("\"nas1\"", "\"127.0.0.1\""), ("\"8000\"", &*format!("\"{nas1}\""))];
    let folder = folder.with("films.vcl", contrib("varnish.vcl", &changes));
    let mut command = Command::new(program);
    // Less memory than the test's film has bytes.
    command.args(["-F", "-j", "none", "-s", "default,10M", "-s", "Transient=default,10M", "-a"]);
    command.arg(format!("127.0.0.1:{port}")).arg("-n").arg(folder.file("varnish"));
    command.arg("-f").arg(folder.file("films.vcl"));
    let proxy = Proxy::start(command, &folder, port);
    eventually("the origin is found healthy", || proxy.get("/health", &[]).status == 200);
    Some((proxy, folder))
}

#[test]
fn varnish_caches_pages_and_pictures_and_passes_films_through() {
    let long = film(40_000_000);
    let films = Folder::new().with("film.mp4", &long).with("film.jpg", &long[..50_000]);
    let origin = Origin::start(&films, 0, &[]);
    let Some((proxy, _folder)) = varnish(&origin) else { return };

    let whole = proxy.get("/video/film.mp4", &[]);
    assert!(whole.status == 200 && whole.body == long);
    let part = proxy.part("/video/film.mp4", 30_000_000..30_000_100);
    assert!(part.status == 206 && part.body == long[30_000_000..30_000_100]);
    let stale = proxy.get("/video/film.mp4", &["Range: bytes=5-9", "If-Range: \"stale\""]);
    assert!(stale.status == 200 && stale.body == long);
    assert_eq!(proxy.get("/video/film.mp4", &["Range: bytes=99999999-"]).status, 416);

    // Each is fetched once, then asked for by its tag, at most once a second.
    for (target, length) in [("/", None), ("/api/videos", None), ("/video/film.jpg", Some(50_000))] {
        let first = proxy.get(target, &[]);
        assert_eq!(first.status, 200, "{target}: {}", String::from_utf8_lossy(&first.body));
        assert!(length.is_none_or(|length| first.body == long[..length]), "{target}");
        let mut asked = 1;
        eventually("a second passes, and it is asked for", || {
            asked += 1;
            let again = proxy.get(target, &[]);
            assert_eq!(again.status, 200, "{target}: {}", String::from_utf8_lossy(&again.body));
            assert!(again.body == first.body, "{target}: {} bytes", again.body.len());
            origin.sent(&format!("GET {target}"), "304").0 > 0
        });
        assert_eq!(proxy.get(target, &[&format!("If-None-Match: {}", tag(&first))]).status, 304, "{target}");
        assert_eq!(origin.sent(&format!("GET {target}"), "200").0, 1, "{target}");
        assert!(asked > origin.answers(&format!("GET {target}")).len(), "{target}: nothing came from the cache");
    }
    assert_no_spoofing(&proxy, "/", &origin);
    (0..3).for_each(|_| assert_eq!(proxy.get("/metrics", &[]).status, 200));
    eventually("what says no-store is passed on", || origin.answers("GET /metrics").len() == 3);
}

#[test]
fn a_cache_gives_nothing_to_those_without_the_password() {
    let films = Folder::new().with("film.mp4", film(SLICE)).with("film.jpg", film(1000));
    let origin = Origin::start(&films, 0, &["--auth", "ann:secret"]);
    let good = "Authorization: Basic YW5uOnNlY3JldA==";
    let bad = "Authorization: Basic YW5uOm90aGVy";
    for (proxy, _folder) in [nginx_cache(&origin), varnish(&origin)].into_iter().flatten() {
        let playlist = proxy.get("/playlist.m3u", &[good]);
        let key = playlist.text().lines().find_map(|line| Some(line.split_once("?key=")?.1)).unwrap();
        for path in ["/", "/api/videos", "/video/film.mp4", "/video/film.jpg"] {
            assert_eq!(proxy.get(path, &[good]).status, 200, "{path}");
            assert_eq!(proxy.get(path, &[]).status, 401, "{path}");
            assert_eq!(proxy.get(path, &[bad]).status, 401, "{path}");
            let opens = if path.starts_with("/video/") { 200 } else { 401 };
            assert_eq!(proxy.get(&format!("{path}?key={key}"), &[]).status, opens, "{path}");
            assert_eq!(proxy.get(&format!("{path}?key=other"), &[]).status, 401, "{path}");
        }
    }
}

#[test]
fn caddy_serves_films_and_playlists_by_https() {
    let (Some(caddy), Some(curl)) = (find_program("caddy", "caddy"), find_program("curl", "curl")) else { return };
    let bytes = film(5_000_000);
    let films = Folder::new().with("film.mp4", &bytes).with("film.en.vtt", "WEBVTT\n");
    let origin = Origin::start(&films, 0, &[]);
    let (folder, port, plain_port) = (Folder::new(), free_port(), free_port());
    let changes = [
        // Its interface for administration has a fixed port.
        (
            "http_port 80\n",
            &*format!("admin off\n\tskip_install_trust\n\tdefault_bind 127.0.0.1\n\thttp_port {plain_port}\n"),
        ),
        ("https_port 443\n", &*format!("https_port {port}\n")),
        ("127.0.0.1:8000", &origin.program.address.to_string()),
    ];
    let folder = folder.with("Caddyfile", contrib("Caddyfile", &changes));
    let mut command = Command::new(caddy);
    for home in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
        command.env(home, folder.path());
    }
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(folder.file("Caddyfile"));
    let _proxy = Proxy::start(command, &folder, port);

    let authority = format!("nas.lan:{port}");
    let get = |url: &str, options: &[&str]| {
        let mut command = Command::new(&curl);
        command.args(["-sS", "--resolve", &format!("{authority}:127.0.0.1")]);
        command.args(["--resolve", &format!("nas.lan:{plain_port}:127.0.0.1")]);
        command.arg("--cacert").arg(folder.file("caddy/pki/authorities/local/root.crt")).args(options).arg(url);
        command.output().unwrap()
    };
    let at = |path: &str| format!("https://{authority}{path}");
    eventually("it has a certificate", || get(&at("/health"), &[]).stdout == b"ok");
    assert!(get(&at("/video/film.mp4"), &[]).stdout == bytes);
    let part = get(&at("/video/film.mp4"), &["-r", "1000000-1999999", "-w", "%{http_code}"]);
    assert!(part.stdout == [&bytes[1_000_000..2_000_000], b"206"].concat());
    let playlist = String::from_utf8(get(&at("/playlist.m3u"), &[]).stdout).unwrap();
    let want = format!("#EXTVLCOPT:input-slave={}\n{}\n", at("/subtitles/film.en.vtt"), at("/video/film.mp4"));
    assert!(playlist.ends_with(&want), "{playlist}");
    let spoofed = SPOOFED.iter().flat_map(|field| ["-H", field]).collect::<Vec<_>>();
    let spoofed = get(&at("/playlist.m3u"), &spoofed);
    assert!(spoofed.stdout == playlist.as_bytes(), "{}", String::from_utf8_lossy(&spoofed.stdout));
    // Without the port, since others see Caddy at 443.
    let redirect = get(&format!("http://nas.lan:{plain_port}/a"), &["-o", "/dev/null", "-w", "%{redirect_url}"]);
    assert_eq!(redirect.stdout, b"https://nas.lan/a");
}

/// Where a crawl must have found URLs. (A kind that isn't found isn't tested.)
const PLACES: &[&str] = &[
    "a data-poster",
    "a href",
    "api subtitles",
    "api url",
    "api watch",
    "button data-address",
    "img src",
    "import",
    "link href",
    "manifest icon",
    "manifest start",
    "playlist",
    "playlist subtitles",
    "script src",
    "section data-below",
    "source src",
    "track src",
    "video data-watch",
    "video poster",
];

fn crawled() -> Folder {
    let names = ["film.mp4", "film.en.srt", "film.jpg", "a b/e01.mp4", "a b/e01.de.srt", "a b/e02.mp4", "a b/e02.jpg"];
    let odd = ["a b/100% #1? \"&'\u{e9}.mp4", "a b/deep/poster.jpg", "a b/deep/e1.webm", "hls/index.m3u8"];
    let srt = "1\n00:00:01,000 --> 00:00:02,000\nHello.\n";
    [&names[..], &odd].concat().iter().fold(Folder::new(), |folder, name| folder.with(name, srt))
}

#[test]
fn a_crawl_finds_every_url_with_and_without_a_path_before_it() {
    let films = crawled();
    let plain = Origin::start(&films, 0, &[]);
    let direct = crawler::crawl(plain.program.address, "/");
    let missing: Vec<_> = PLACES.iter().filter(|place| !direct.contains_key(**place)).collect();
    assert!(missing.is_empty(), "not found: {missing:?} in {direct:#?}");

    let origin = Origin::start(&films, 0, &["--route-prefix", "/films"]);
    let address = format!("server {};", origin.program.address);
    // What Debian's nginx.conf has around the files of conf.d.
    let site = contrib("nginx.conf", &[("server 127.0.0.1:8000;", &address)]);
    let main = format!("user www-data; pid /run/nginx.pid; events {{}} http {{ sendfile on; {site} }}");
    let Some((proxy, _folder)) = nginx(&main, free_port()) else { return };
    assert_no_spoofing(&proxy, "/films/", &origin);
    let below = crawler::crawl(proxy.address, "/films/");
    let without = |path: &String| path.strip_prefix("/films").unwrap().to_owned();
    let below: crawler::Found =
        below.iter().map(|(place, paths)| (place.clone(), paths.iter().map(without).collect())).collect();
    assert_eq!(below, direct, "the same URLs, below /films");
}
