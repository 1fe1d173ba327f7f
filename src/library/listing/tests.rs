use super::super::Links;
use super::*;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use tempfile::TempDir;

/// A temporary folder with `videos` in it.
struct Place(TempDir);

impl Place {
    /// With `files`, separated by `|`.
    fn new(files: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        files.split('|').for_each(|file| place.write(file.as_bytes(), file));
        place
    }

    fn path(&self, name: &[u8]) -> PathBuf {
        self.0.path().join("videos").join(OsStr::from_bytes(name))
    }

    fn write(&self, name: &[u8], content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn library(&self) -> Library {
        Library::open(self.path(b"")).unwrap()
    }
}

fn names(listing: &Listing) -> (Vec<String>, Vec<String>) {
    let text = |name: &Vec<u8>| String::from_utf8_lossy(name).into_owned();
    let folders = listing.folders.iter().map(|folder| text(&folder.name)).collect();
    (folders, listing.videos.iter().map(|video| text(&video.name)).collect())
}

fn videos(place: &Place, folder: &str) -> Vec<String> {
    names(&place.library().list(folder.as_bytes()).unwrap()).1
}

#[test]
fn a_video_is_recognized_by_its_extension_in_any_case() {
    let want = "a.mp4 b.m4v c.mov d.webm e.mkv f.avi g.ogv h.ogm i.mpg j.mpeg k.vob l.mts m.m2ts n.wmv o.flv p.divx \
                q.mxf r.3gp s.ts t.MP4 u.Mkv";
    let others = "notes.txt|song.mp3|mp4|.mp4|film.mp4.part|poster.jpg|x.srt|.hidden.mp4|folder.mp4/film.mp4";
    let place = Place::new(&format!("{}|{others}", want.replace(' ', "|")));
    assert_eq!(videos(&place, "").join(" "), want);
    assert_eq!(names(&place.library().list(b"").unwrap()).0, ["folder.mp4"]);
}

#[test]
fn a_manifest_stands_for_what_it_names() {
    const MASTER: &str = "#EXTM3U\r\n#EXT-X-STREAM-INF:BANDWIDTH=1\r\n720p.m3u8\r\n\
                          #EXT-X-STREAM-INF:BANDWIDTH=2\r\nlow/list.m3u8\r\n";
    const MEDIA: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:4,\n0.ts\n1.ts\n";
    let place = Place::new("one/0.ts|one/1.ts|one/init.mp4|one/trailer.mp4|one/evening.ts|none/0.ts|two/0.ts|two/1.ts");
    let dash = "<MPD><BaseURL>a.mp4</BaseURL></MPD>";
    for (name, content) in [
        ("one/film.m3u8", MEDIA),
        ("two/720p.m3u8", MEDIA),
        ("two/main.M3U8", MASTER),
        ("two/low/list.m3u8", MEDIA),
        ("dash/manifest.mpd", dash),
        ("dash/a.mp4", ""),
        ("both/manifest.mpd", dash),
        ("both/master.m3u8", MASTER),
        ("series/e1.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:4\ne1-0.ts\n"),
        ("series/e2.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:4\ne2-0.ts\n"),
        ("itself/index.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:4\nindex.m3u8\n"),
        ("list.m3u8", "#EXTM3U\n#EXTINF:-1,Film\nfilm.mp4\n"),
        ("film.mp4", ""),
    ] {
        place.write(name.as_bytes(), content);
    }
    let library = place.library();
    let titles = |folder: &str| {
        let listing = library.list(folder.as_bytes()).unwrap();
        let title = |video: &Video| {
            let name = String::from_utf8_lossy(path::base(&video.name)).into_owned();
            format!("{name}={}", String::from_utf8_lossy(video.title()))
        };
        (names(&listing).0.len(), listing.videos.iter().map(title).collect::<Vec<_>>().join(" "))
    };
    let rows = [
        ("one", 0, "evening.ts=evening film.m3u8=one trailer.mp4=trailer"),
        ("two", 0, "main.M3U8=two"),
        ("none", 0, "0.ts=0"),
        ("dash", 0, "manifest.mpd=dash"),
        ("both", 0, "master.m3u8=both"),
        ("series", 0, "e1.m3u8=e1 e2.m3u8=e2"),
        ("itself", 0, "index.m3u8=itself"),
        ("", 7, "film.mp4=film list.m3u8=list"),
    ];
    for (folder, folders, want) in rows {
        assert_eq!(titles(folder), (folders, want.to_owned()), "{folder}");
    }
    assert_eq!(library.walk(b"two").unwrap().videos.len(), 1);
}

#[test]
fn what_systems_leave_on_disks_is_hidden() {
    for junk in [
        "#recycle",
        "@Recycle",
        "$RECYCLE.BIN",
        "@eaDir",
        "#snapshot",
        ".Trash-1000",
        "lost+found",
        "System Volume Information",
        "__MACOSX",
        "Network Trash Folder",
        "FOUND.000",
        ".AppleDouble",
    ] {
        let place = Place::new(&format!("film.mp4|._film.mp4|{junk}/film.mp4|in/{junk}/film.mp4"));
        let library = place.library();
        assert_eq!(names(&library.list(b"").unwrap()), (vec![], vec!["film.mp4".into()]), "{junk}");
        assert_eq!(names(&library.walk(b"").unwrap()).1, ["film.mp4"], "{junk}");
        assert!(matches!(library.list(junk.as_bytes()), Err(OpenError::NotFound)));
        let inside = format!("in/{junk}/film.mp4");
        assert!(matches!(library.open_file(inside.as_bytes()), Err(OpenError::NotFound)));
    }
    let place = Place::new("#Alive (2020)/#Alive.mp4|@home.mp4|$9.99.mp4");
    assert_eq!(names(&place.library().walk(b"").unwrap()).1.len(), 3, "films are called so");
}

#[test]
fn a_folder_without_a_video_below_it_is_not_listed() {
    let place = Place::new(
        "a/b/c/film.mp4|docs/notes.txt|docs/more/x.srt|Sample/x.nfo|only/@eaDir/film.mp4|links/x.txt|dangling/x.txt",
    );
    fs::create_dir_all(place.path(b"Extras")).unwrap();
    symlink("../a", place.path(b"links/a")).unwrap();
    symlink("none.mp4", place.path(b"dangling/film.mp4")).unwrap();
    (0..2000).for_each(|number| place.write(format!("many/{number}.txt").as_bytes(), ""));
    assert_eq!(names(&place.library().list(b"").unwrap()).0, ["a", "links", "many"], "many is too large to know");
}

#[test]
fn a_folder_tells_how_many_videos_are_below_it() {
    let rows = [
        ("a/1.mp4|a/b/2.mkv|a/b/c/3.ts|a/notes.txt|a/.hidden.mp4|a/@eaDir/x.mp4", (3, false)),
        ("a/film.m3u8|a/0.ts|a/1.ts|a/trailer.mp4|a/film.mpd", (2, false)),
        ("a/master.m3u8|a/low/list.m3u8|a/low/0.ts|a/high/list.m3u8|a/high/0.ts", (1, false)),
        ("a/one/film.m3u8|a/one/0.ts|a/two/film.mpd", (2, false)),
    ];
    for (files, want) in rows {
        let place = Place::new(files);
        let folder = place.library().list(b"").unwrap().folders.remove(0);
        assert_eq!((folder.videos, folder.has_more), want, "{files}");
    }
    let place = Place::new("a/b/film.mp4");
    (0..2000).for_each(|number| place.write(format!("a/{number}.mp4").as_bytes(), ""));
    let folder = place.library().list(b"").unwrap().folders.remove(0);
    assert_eq!((folder.videos, folder.has_more), (999, true), "the look ends after 1000 entries, one of them b");
}

#[test]
fn folders_and_videos_are_in_natural_order() {
    let place = Place::new(
        "Episode 10.mp4|episode 2.mp4|Episode 1.mp4|Film 2.mp4|Film.mp4|film.mkv|S1E9.mp4|S01E10.mp4|\
         \u{c4}pfel.mp4|\u{e4}pfel 2.mp4|Vol. 10/x.mp4|Vol. 2/x.mp4|alpha/x.mp4|Beta/x.mp4",
    );
    let (folders, videos) = names(&place.library().list(b"").unwrap());
    assert_eq!(folders, ["alpha", "Beta", "Vol. 2", "Vol. 10"]);
    let want = [
        "\u{c4}pfel.mp4",
        "\u{e4}pfel 2.mp4",
        "Episode 1.mp4",
        "episode 2.mp4",
        "Episode 10.mp4",
        "film.mkv",
        "Film.mp4",
        "Film 2.mp4",
        "S1E9.mp4",
        "S01E10.mp4",
    ];
    assert_eq!(videos, want);
}

#[test]
fn posters_and_subtitles_are_found_beside_the_film() {
    let place = Place::new(
        "film.mp4|film.png|film.jpg|film.srt|film.en.srt|film.en.vtt|film.pt-BR.forced.SRT|film.de.txt|\
         Subs/film.fr.srt|Subs/other.srt|film.two.mkv|film.two.en.srt|films.srt|bare.mp4|\
         show/poster.jpg|show/e1.mp4|show/e1.webp|show/e2.mp4",
    );
    let listing = place.library().list(b"").unwrap();
    let shown = |video: &Video| {
        let poster = video.poster.as_deref().map_or("-".into(), String::from_utf8_lossy);
        let subtitles = video.subtitles.iter().map(|s| format!(" {}={}", String::from_utf8_lossy(&s.name), s.tag));
        format!("{} {poster}{}", String::from_utf8_lossy(&video.name), subtitles.collect::<String>())
    };
    let got: Vec<_> = listing.videos.iter().map(shown).collect();
    let want = [
        "bare.mp4 -",
        "film.mp4 film.jpg film.srt= film.en.vtt=en Subs/film.fr.srt=fr film.pt-BR.forced.SRT=pt-BR.forced",
        "film.two.mkv - film.two.en.srt=en",
    ];
    assert_eq!(got, want);
    assert_eq!(
        listing.folders,
        [Folder { name: b"show".to_vec(), poster: Some(b"show/poster.jpg".to_vec()), videos: 2, has_more: false }]
    );
    let show: Vec<_> = place.library().list(b"show").unwrap().videos.iter().map(shown).collect();
    assert_eq!(show, ["show/e1.mp4 show/e1.webp", "show/e2.mp4 show/poster.jpg"]);
}

#[test]
fn a_picture_belongs_to_a_film_or_to_a_folder() {
    let rows = [
        ("film.jpg", true, false),
        ("FILM.JPEG", true, false),
        ("Film-Poster.avif", true, false),
        ("film-thumb.webp", true, false),
        ("Poster.JPG", true, true),
        ("folder.png", true, true),
        ("cover.webp", true, true),
        ("movie.jpg", true, true),
        ("show.jpg", true, true),
        ("fanart.jpg", false, false),
        ("film-fanart.jpg", false, false),
        ("backdrop.jpg", false, false),
        ("films.jpg", false, false),
        ("film.gif", false, false),
    ];
    for (picture, is_films, is_folders) in rows {
        let place = Place::new(&format!("show/Film.mp4|show/{picture}"));
        let path = format!("show/{picture}").into_bytes();
        let library = place.library();
        let film = library.list(b"show").unwrap().videos[0].poster.clone();
        let folder = library.list(b"").unwrap().folders[0].poster.clone();
        assert_eq!((film, folder), (is_films.then(|| path.clone()), is_folders.then_some(path)), "{picture}");
    }
    let place = Place::new("film.mp4|film.png|film.jpg|film-poster.jpg|folder.jpg|other.mp4|poster.png|poster.webp");
    let posters: Vec<_> = place.library().list(b"").unwrap().videos.into_iter().map(|video| video.poster).collect();
    assert_eq!(posters, [Some(b"film.jpg".to_vec()), Some(b"poster.png".to_vec())]);
}

#[test]
fn subtitles_are_found_in_subs_and_in_the_films_folder_there() {
    let place = Place::new(
        "one/Film.mp4|one/Film.en.srt|one/SUBTITLES/2_English.srt|one/SUBTITLES/3_French.srt|\
         two/A.mp4|two/B.mp4|two/Subs/a.en.srt|two/Subs/2_English.srt|two/Subs/b/2_English.srt|two/Sub/B/de.srt|\
         more/A.mp4|more/subs/A/B/de.srt|more/subs/A/en.srt|more/subs/C/en.srt|more/Subtitle/bonus.mp4|\
         more/sub/A/bonus.mp4",
    );
    let library = place.library();
    let listed = |folder: &str| {
        let listing = library.list(folder.as_bytes()).unwrap();
        let text = |name: &[u8]| String::from_utf8_lossy(&name[folder.len() + 1..]).into_owned();
        let subtitles = listing.videos.iter().flat_map(|video| {
            let title = text(&video.name);
            video.subtitles.iter().map(move |s| format!("{title} {}={}", text(&s.name), s.tag))
        });
        (subtitles.collect::<Vec<_>>().join(", "), names(&listing).0.join(", "))
    };
    let one = "Film.mp4 SUBTITLES/2_English.srt=2_English, Film.mp4 SUBTITLES/3_French.srt=3_French, \
               Film.mp4 Film.en.srt=en";
    assert_eq!(listed("one"), (one.into(), String::new()));
    let two = "A.mp4 Subs/a.en.srt=en, B.mp4 Subs/b/2_English.srt=2_English, B.mp4 Sub/B/de.srt=de";
    assert_eq!(listed("two"), (two.into(), String::new()));
    let more = ("A.mp4 subs/A/en.srt=en".into(), "more/sub, more/Subtitle".into());
    assert_eq!(listed("more"), more, "a folder with videos is listed");
}

#[test]
fn a_missing_folder_differs_from_an_unreadable_one() {
    let place = Place::new("a.mp4|show/e1.mp4|.hidden/x.mp4|show/.hidden/x.mp4");
    symlink("/etc", place.path(b"out")).unwrap();
    let library = place.library();
    for name in ["none", "a.mp4", ".hidden", "show/.hidden", "..", "show/..", "show/", "/", "show//", "a\0"] {
        assert!(matches!(library.list(name.as_bytes()), Err(OpenError::NotFound)), "{name}");
        assert!(matches!(library.walk(name.as_bytes()), Err(OpenError::NotFound)), "{name}");
    }
    assert!(matches!(library.list(b"out"), Err(OpenError::OutsideRoot)));
    assert!(matches!(library.walk(b"out"), Err(OpenError::OutsideRoot)));
    fs::set_permissions(place.path(b"show"), fs::Permissions::from_mode(0o000)).unwrap();
    // Root may read everything.
    if fs::read_dir(place.path(b"show")).is_err() {
        assert!(matches!(library.list(b"show"), Err(OpenError::Forbidden)));
        assert_eq!(
            library.walk(b"").unwrap().omissions,
            Omissions { unreadable: 1, refused_links: 1, ..Omissions::default() }
        );
    }
    fs::set_permissions(place.path(b"show"), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn links_are_followed_only_inside_the_folder() {
    let place = Place::new("real/a.mp4|b.mp4");
    fs::write(place.path(b"../secret.mp4"), "secret").unwrap();
    for (target, name) in [
        ("../b.mp4", "real/link.mp4"),
        ("real", "again"),
        ("../secret.mp4", "secret.mp4"),
        ("..", "up"),
        ("/etc", "etc"),
        ("nowhere.mp4", "dangling.mp4"),
        ("self.mp4", "self.mp4"),
    ] {
        symlink(target, place.path(name.as_bytes())).unwrap();
    }
    let listing = place.library().list(b"").unwrap();
    assert_eq!(names(&listing), (vec!["again".into(), "real".into()], vec!["b.mp4".into()]));
    assert_eq!(
        listing.omissions,
        Omissions { refused_links: 3, ..Omissions::default() },
        "and what leads nowhere is nothing"
    );
    assert_eq!(videos(&place, "real"), ["real/a.mp4", "real/link.mp4"]);
}

#[test]
fn a_walk_is_in_order_and_ends_in_spite_of_loops() {
    let place = Place::new("z.mp4|b/2.mp4|b/10.mp4|b/deep/er/x.mp4|a/1.mp4|subs/z.en.srt");
    symlink("..", place.path(b"b/loop")).unwrap();
    symlink(".", place.path(b"b/self")).unwrap();
    symlink("../b", place.path(b"a/b")).unwrap();
    place.write(b"\xff\xfe/\xff.mp4", "");
    let listing = place.library().walk(b"").unwrap();
    let want = ["a/1.mp4", "b/deep/er/x.mp4", "b/2.mp4", "b/10.mp4", "\u{fffd}\u{fffd}/\u{fffd}.mp4", "z.mp4"];
    assert_eq!(names(&listing).1, want, "b is walked once, by the name nearest to the top");
    assert_eq!(listing.omissions, Omissions::default());
    assert_eq!(names(&place.library().walk(b"b/deep").unwrap()).1, ["b/deep/er/x.mp4"]);
}

#[test]
fn a_listing_ends_at_its_limits_and_reports_it() {
    let place = Place::new("a/b/c/x.mp4|a/b/y.mp4|1.mp4|2.mp4|3.mp4");
    let library = place.library();
    let walk = |limits| library.with_lister(limits, b"", |lister| lister.walk(b"")).unwrap();
    let usual = Limits::default();
    assert_eq!(walk(usual).omissions, Omissions::default());
    assert_eq!(walk(Limits { entries: 8, ..usual }).omissions, Omissions::default());

    let few = walk(Limits { entries: 7, ..usual });
    assert_eq!((few.omissions.too_many, few.videos.len()), (true, 4));
    assert_eq!(few.omissions.to_string(), "This list is incomplete: too many files.");

    let shallow = walk(Limits { depth: 2, ..usual });
    assert_eq!((shallow.omissions.too_deep, shallow.videos.len()), (1, 4));
    assert_eq!(shallow.omissions.to_string(), "This list is incomplete: 1 folder nested too deeply.");

    let slow = walk(Limits { time: Duration::ZERO, ..usual });
    assert_eq!((slow.omissions.too_slow, slow.videos.len()), (true, 0));
}

#[test]
fn a_library_without_a_video_is_told_from_one_that_is_too_large_to_know() {
    let place = Place::new("notes.txt|deep/er/poster.jpg");
    assert!(place.library().is_empty());
    place.write(b"deep/er/film.mp4", "");
    assert!(!place.library().is_empty());
    fs::remove_file(place.path(b"deep/er/film.mp4")).unwrap();
    (0..1000).for_each(|number| place.write(format!("{number}.txt").as_bytes(), ""));
    assert!(!place.library().is_empty());
}

#[test]
fn a_folder_that_was_replaced_is_listed_anew() {
    let place = Place::new("old.mp4");
    let library = place.library();
    assert_eq!(library.list(b"").unwrap().videos.len(), 1);
    fs::remove_dir_all(place.path(b"")).unwrap();
    place.write(b"new.mp4", "");
    assert_eq!(names(&library.list(b"").unwrap()).1, ["new.mp4"]);
    fs::remove_dir_all(place.path(b"")).unwrap();
    assert!(matches!(library.list(b""), Err(OpenError::NoFolder(_))));
}

#[test]
fn links_out_of_the_folder_are_listed_where_they_are_followed() {
    let place = Place::new("Inside.mp4");
    let outside = Place::new("drive/Film.mp4");
    symlink(outside.path(b"drive"), place.path(b"drive")).unwrap();
    symlink(outside.path(b"drive/Film.mp4"), place.path(b"Linked.mp4")).unwrap();
    symlink(place.path(b""), outside.path(b"drive/back")).unwrap();
    symlink(place.path(b"Inside.mp4"), place.path(b"Absolute.mp4")).unwrap();
    outside.write(b"hls/master.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow.m3u8\n");
    outside.write(b"hls/low.m3u8", "#EXTM3U\n");
    symlink(outside.path(b"hls"), place.path(b"hls")).unwrap();
    for (links, want) in [
        (Links::Confined, &["Absolute.mp4", "Inside.mp4"][..]),
        (Links::Followed, &["drive/Film.mp4", "hls/master.m3u8", "Absolute.mp4", "Inside.mp4", "Linked.mp4"]),
    ] {
        let library = Library::open_with(place.path(b""), links).unwrap();
        assert_eq!(names(&library.walk(b"").unwrap()).1, want, "{links:?}");
    }
}
