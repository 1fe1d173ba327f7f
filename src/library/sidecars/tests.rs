use super::*;
use proptest::prelude::*;
use std::collections::HashSet;

/// The film and the tag of each path, `film: tag`, beside the films of `names`.
fn owners(names: &str, paths: &[&str]) -> Vec<String> {
    let films = Films::new(names.split('|').map(str::as_bytes));
    let owner = |path: &&str| match films.of(path.as_bytes()) {
        Some((film, tag)) => format!("{}: {tag}", String::from_utf8_lossy(film)),
        None => "nobody".into(),
    };
    paths.iter().map(owner).collect()
}

#[test]
fn a_subtitle_file_belongs_to_the_film_that_begins_its_name() {
    let rows = [
        ("film.srt", "Film: "),
        ("FILM.EN.SRT", "Film: EN"),
        ("Film.en.srt", "Film: en"),
        ("Film-en.srt", "Film: en"),
        ("Film_eng.srt", "Film: eng"),
        ("Film en.srt", "Film: en"),
        ("Film[en].srt", "Film: en]"),
        ("Film (en).srt", "Film: en)"),
        ("Film - English.srt", "Film: English"),
        ("Film \u{2013} Deutsch.srt", "Film: Deutsch"),
        ("Film - English (SDH).srt", "Film: English (SDH)"),
        ("Film_pt_BR_forced.srt", "Film: pt_BR_forced"),
        ("Film.Director's cut.srt", "Film: Director's cut"),
        ("Film (2010).srt", "Film: 2010)"),
        ("Film.2.srt", "Film: 2"),
        ("Film-2.srt", "Film: 2"),
        ("Film en 2.srt", "Film: en 2"),
        ("Films.srt", "nobody"),
        ("Film's.srt", "nobody"),
        ("Film 2.srt", "nobody"),
        ("Film - 2_English.srt", "nobody"),
        ("Film It Happened.srt", "nobody"),
        ("Film - English (Director's cut).srt", "Film: English (Director's cut)"),
        ("Film Spanish [Peru].srt", "Film: Spanish [Peru]"),
        ("Film Happened (en).srt", "nobody"),
        ("Film 2 (en).srt", "nobody"),
        ("Film II.srt", "nobody"),
        ("The Film.srt", "nobody"),
        ("Fil.srt", "nobody"),
        (".srt", "nobody"),
        ("Two.srt", "Two: "),
        ("Two.en.srt", "Two.en: "),
        ("Two.en.forced.srt", "Two.en: forced"),
        ("Two.english.srt", "Two: english"),
        ("S 2.srt", "S 2: "),
        ("S 2.de.srt", "S 2: de"),
        ("S E1.en.srt", "S E1: en"),
        ("S E10.en.srt", "S E10: en"),
        ("S E100.en.srt", "nobody"),
        ("S - Cut - en.srt", "S - Cut: en"),
        ("S - Other - en.srt", "nobody"),
        ("\u{39f}\u{394}\u{39f}\u{3a3}.el.srt", "\u{39f}\u{394}\u{39f}\u{3a3}: el"),
        ("\u{39f}\u{3b4}\u{3bf}\u{3c2}.el.srt", "\u{39f}\u{394}\u{39f}\u{3a3}: el"),
        ("\u{e9}t\u{e9}.espa\u{f1}ol.srt", "e\u{301}te\u{301}: espa\u{f1}ol"),
        ("E\u{301}TE\u{301}.ESPAN\u{303}OL.srt", "e\u{301}te\u{301}: ESPAN\u{303}OL"),
    ];
    let films = "Film.mp4|Two.mp4|Two.en.mkv|S.mp4|S 2.mp4|S E1.mp4|S E10.mp4|S - Cut.mp4|\
                 e\u{301}te\u{301}.mp4|\u{39f}\u{394}\u{39f}\u{3a3}.mp4";
    let paths = rows.map(|(path, _)| path);
    assert_eq!(owners(films, &paths), rows.map(|(_, owner)| owner));
}

#[test]
fn names_that_differ_in_case_alone_are_told_apart() {
    let paths = ["Film.en.srt", "film.en.srt", "FILM.en.srt"];
    assert_eq!(owners("film.mp4|Film.mp4|Film.mkv", &paths), ["Film: en", "film: en", "film: en"]);
    // Of films whose names are the same but for invalid bytes, one has the subtitles.
    let films = Films::new([&b"\xff.mp4"[..], b"\xfe.mp4"].into_iter());
    assert!(films.of(b"\xfe.en.srt").is_some_and(|(_, tag)| tag == "en"));
}

#[test]
fn a_file_in_subs_belongs_to_the_film_of_its_folder_or_to_the_only_film() {
    let rows = [
        ("Subs/Film.en.srt", "Film: en", "Film: en"),
        ("Subs/2_English.srt", "Film: 2_English", "nobody"),
        ("Subs/English.srt", "Film: English", "nobody"),
        ("Subs/Film 2.srt", "Film: Film 2", "Other: 2"),
        ("Subs/Film/2_English.srt", "Film: 2_English", "Film: 2_English"),
        ("Subs/FILM/Film.en.srt", "Film: en", "Film: en"),
        ("Subs/Film/Other.en.srt", "Film: Other.en", "Film: Other.en"),
        ("2_English.srt", "nobody", "nobody"),
    ];
    let paths = rows.map(|(path, ..)| path);
    assert_eq!(owners("Film.mp4|Film.mkv", &paths), rows.map(|(_, alone, _)| alone));
    let mut beside = rows.map(|(.., beside)| beside);
    beside[3] = "nobody";
    assert_eq!(owners("Film.mp4|Other.mp4", &paths), beside);
}

#[test]
fn a_long_name_of_separators_takes_no_longer_than_its_length_allows() {
    for unit in [".", "-", "a.", "en-", "(en", "&en", "\u{130}.", "e\u{301} "] {
        let film = unit.repeat(60);
        let films = Films::new([film.as_bytes()].into_iter());
        for tag in ["", ".en", "-en", "x"] {
            films.of([&film, tag, ".srt"].concat().as_bytes());
        }
    }
}

#[test]
fn a_video_has_at_most_64_subtitle_files_those_that_sort_first() {
    let paths = (1..=76).rev().map(|number| format!("film.{number}.srt").into_bytes()).collect();
    let films = Films::new([&b"film.mp4"[..], b"other.mp4"].into_iter());
    let mut sidecars = sidecars_by_stem(b"", &films, paths);
    assert_eq!(remove_extra(&mut sidecars), 12);
    let tags: Vec<_> = sidecars[&b"film"[..]].iter().map(|sidecar| sidecar.tag.clone()).collect();
    assert_eq!(tags, (1..=64).map(|number| number.to_string()).collect::<Vec<_>>());
}

/// A name of words and separators that films and subtitles have in common.
fn name() -> impl Strategy<Value = Vec<u8>> {
    let word = prop::sample::select(vec![
        &b"film"[..],
        b"Film",
        b"en",
        b"2",
        b".",
        b"-",
        b" ",
        b"_",
        b"(",
        b"/",
        b"\xff",
        "\u{e9}".as_bytes(),
        "E\u{301}".as_bytes(),
        "\u{130}".as_bytes(),
    ]);
    prop_oneof![9 => prop::collection::vec(word, 0..8).prop_map(|words| words.concat()), 1 => any::<Vec<u8>>()]
}

proptest! {
    #[test]
    fn the_owner_is_the_longest_film_that_can_be(names in prop::collection::vec(name(), 0..8), title in name()) {
        let films = Films::new(names.iter().map(Vec::as_slice));
        let title = String::from_utf8_lossy(&title);
        let folded = fold(title.as_bytes());
        let rest = |film: &[u8]| {
            let rest = folded.strip_prefix(&fold(film))?;
            (rest.is_empty() || rest.starts_with(is_separator)).then(|| rest.to_owned())
        };
        let longest = names.iter().filter_map(|name| rest(stem(name))).min_by_key(String::len);
        match (films.named_in(&title), longest) {
            (Some((film, tag)), Some(longest)) => {
                prop_assert_eq!(rest(film), Some(longest.clone()));
                prop_assert_eq!(fold(tag.as_bytes()), longest.trim_start_matches(is_separator));
                prop_assert!(names.iter().any(|name| stem(name) == film));
            }
            (None, Some(rest)) => prop_assert!(rest.starts_with(is_separator) && !rest.starts_with(['.', '('])),
            (owner, longest) => prop_assert_eq!((owner, longest), (None, None)),
        }
        for name in &names {
            let lossy = String::from_utf8_lossy(stem(name));
            let (film, tag) = films.named_in(&lossy).unwrap();
            prop_assert_eq!((String::from_utf8_lossy(film), tag), (lossy.clone(), String::new()));
        }
    }

    #[test]
    fn every_file_has_one_owner_at_most(
        names in prop::collection::vec(name(), 0..8),
        paths in prop::collection::vec(name(), 0..8),
    ) {
        let owned = sidecars_by_stem(b"x", &Films::new(names.iter().map(Vec::as_slice)), paths.clone());
        let all: Vec<_> = owned.values().flatten().map(|sidecar| &sidecar.name).collect();
        let unique: HashSet<_> = all.iter().map(|name| stem(name)).collect();
        prop_assert_eq!(all.len(), unique.len());
        prop_assert!(all.iter().all(|name| paths.iter().any(|path| join(b"x", path) == **name)));
        prop_assert!(owned.keys().all(|film| names.iter().any(|name| stem(name) == film)));
    }
}
