//! SubRip, SubStation and WebVTT in any charset, as they are found.

use std::io::{self, Write};
use std::process::Command;
use std::time::Instant;

use encoding_rs::*;
use proptest::prelude::*;

use super::to_webvtt;

/// The cues of `file` as `start-end settings text`, by [`naive`].
fn shown(file: impl AsRef<[u8]>) -> Vec<String> {
    let vtt = to_webvtt(file.as_ref(), "und").text;
    let cues = naive(&vtt);
    assert!(cues.is_ok(), "{cues:?}: {vtt:?}");
    cues.unwrap_or_default()
}

/// A minimal parser of WebVTT: the header, then lines of times, each with lines of text, in which only WebVTT's tags
/// are allowed.
fn naive(vtt: &str) -> Result<Vec<String>, String> {
    let vtt = vtt.replace("\r\n", "\n").replace('\r', "\n");
    let rest = vtt.strip_prefix("WEBVTT").ok_or("no header")?;
    if !rest.is_empty() && !rest.starts_with([' ', '\t', '\n']) || rest.contains('\0') {
        return Err("another header, or a NUL".into());
    }
    let is_time = |time: &str| {
        let mask = time.replace(|c: char| c.is_ascii_digit(), "0");
        mask == "00:00.000" || mask.ends_with("00:00:00.000") && mask.trim_start_matches('0') == ":00:00.000"
    };
    let mut cues: Vec<String> = Vec::new();
    let mut in_cue = false;
    for line in rest.split('\n').skip(1) {
        if let Some((start, rest)) = line.split_once("-->") {
            let mut words = rest.split_whitespace();
            let end = words.next().unwrap_or_default();
            if !is_time(start.trim()) || !is_time(end) {
                return Err(format!("invalid times: {line}"));
            }
            let settings: String = words.flat_map(|word| [" ", word]).collect();
            cues.push(format!("{}-{end}{settings} ", start.trim()));
            in_cue = true;
        } else if line.is_empty() {
            in_cue = false;
        } else if in_cue && let Some(cue) = cues.last_mut() {
            for tag in line.split('<').skip(1) {
                let name = tag.trim_start_matches('/').split(['.', ' ', '\t', '>']).next().unwrap_or_default();
                let is_known = ["b", "i", "u", "c", "v", "lang", "ruby", "rt"].contains(&name);
                if !is_known && !name.starts_with(|c: char| c.is_ascii_digit()) || !tag.contains('>') {
                    return Err(format!("a tag that isn't one: {line}"));
                }
            }
            cue.extend([if cue.ends_with(' ') { "" } else { "|" }, line]);
        }
    }
    Ok(cues)
}

const ONE: &str = "00:00:01.000-00:00:02.000";

#[test]
fn every_shape_of_subrip() {
    let rows: &[(&str, &[&str])] = &[
        ("1\n00:00:01,000 --> 00:00:02,000\nHello\n", &["Hello"]),
        ("1\r\n00:00:01,000 --> 00:00:02,000\r\nHello\r\nyou\r\n\r\n", &["Hello|you"]),
        ("1\r00:00:01,000 --> 00:00:02,000\rHello\r", &["Hello"]),
        ("1\r\r\n00:00:01,000 --> 00:00:02,000\r\r\nHello\r\r\n", &["Hello"]),
        ("00:00:01.000-->00:00:02.000\nno number, no spaces, dots", &["no number, no spaces, dots"]),
        ("00:01,0 --> 0:02,00\nno hours, short fractions", &["no hours, short fractions"]),
        ("1\n00:00:01 --> 00:00:02\nno fraction", &["no fraction"]),
        ("1\n00:00:01,000 --> 00:00:02,000 X1:100 X2:200 Y1:1 Y2:2\nplaced", &["placed"]),
        ("1\n00:00:01,000 --> 00:00:02,000 Hello\n", &["Hello"]),
        ("1\n00:00:01,000 --> 00:00:02,000 X1:1 Y2:2 Hello: you\nb\n\n", &["Hello: you|b"]),
        ("1\n00:00:01,000 --> 00:00:02,000  42 \n2\n00:00:01,000 --> 00:00:02,000\nb", &["42", "b"]),
        ("WEBVTT\n\n00:01.000 --> 00:02.000 Hello\nb\n", &["Hello|b"]),
        ("1\n00:00:01,000 --> 00:00:02,000\n1,5 and 1.5\n", &["1,5 and 1.5"]),
        ("1\n00:00:01,000 --> 00:00:02,000\na\n\n  \nb\n", &["a|b"]),
        ("1\n00:00:01,000 --> 00:00:02,000\n1984\n\n2\n00:00:01,000 --> 00:00:02,000\nb", &["1984", "b"]),
        ("1\n00:00:01,000 --> 00:00:02,000\na\n2\n00:00:01,000 --> 00:00:02,000\nb", &["a", "b"]),
        ("1\n00:00:01,000 --> 00:00:02,000\na --> b\n", &["a --&gt; b"]),
        ("1\n00:00:01,000 --> 00:00:02,000\n\n2\n00:00:01,000 --> 00:00:02,000\nafter none", &["after none"]),
        ("\n\n\n1\n00:00:01,000 --> 00:00:02,000\nblank lines first", &["blank lines first"]),
        ("1\n00:00:01,000 --> 00:00:02,000\na\0b", &["a\u{fffd}b"]),
        ("1\n\n00:00:01,000 --> 00:00:02,000\n\na\n\nb\n\n2\n\n00:00:01,000 --> 00:00:02,000\n\nc\n", &["a|b", "c"]),
        ("1.\n00:00:01,000 --> 00:00:02,000\na\n\n2.\n00:00:01,000 --> 00:00:02,000\nb", &["a", "b"]),
        ("00:00:01,000 --> 00:00:02,000\n1984\n\n00:00:01,000 --> 00:00:02,000\nb", &["1984", "b"]),
        ("00:00:01,000 --> 00:00:02,000\n1984\n00:00:01,000 --> 00:00:02,000\nb", &["1984", "b"]),
        ("00:00:01,000 --> 00:00:02,000\nfirst\n\n1\n00:00:01,000 --> 00:00:02,000\nb", &["first", "b"]),
        ("1\n00:00:01,000 --> 00:00:02,000\n12:30 -> 14:30\n\n42\n", &["12:30 -&gt; 14:30|42"]),
        ("\u{feff}\u{feff}1\n00:00:01,000 --> 00:00:02,000\ntwo marks", &["two marks"]),
        ("", &[]),
        ("nothing of the kind", &[]),
    ];
    for (file, want) in rows {
        let want: Vec<_> = want.iter().map(|text| format!("{ONE} {text}")).collect();
        assert_eq!(shown(file), want, "{file:?}");
    }
}

/// The times of SubRip files as they are found, and what ffmpeg 5.1 reads.
const TIMES: &[(&str, &str)] = &[
    ("00:00:01,000 --> 00:00:02,000", "00:00:01.000-00:00:02.000"),
    ("00:00:01,1000 --> 00:00:02,1000", "00:00:02.000-00:00:03.000"),
    ("00:00:60,000 --> 00:01:60,000", "00:01:00.000-00:02:00.000"),
    ("00:60:01,000 --> 00:60:02,000", "01:00:01.000-01:00:02.000"),
    ("00: 00: 01,000 --> 00: 00: 02,000", "00:00:01.000-00:00:02.000"),
    ("00:00:01, 000 --> 00:00:02, 000", "00:00:01.000-00:00:02.000"),
    // The fraction is a number of milliseconds in ffmpeg, mpv and VLC.
    ("00:00:01,5 --> 00:00:02,50", "00:00:01.005-00:00:02.050"),
    ("00:00:01.5 --> 00:00:02.500", "00:00:01.005-00:00:02.500"),
    ("-00:00:01,000 --> 00:00:02,000", "00:00:01.000-00:00:02.000"),
    ("00:00:01,000 --> 00:-00:02,000", "00:00:01.000-00:00:02.000"),
    ("00:00:01,000-->00:00:02,000", "00:00:01.000-00:00:02.000"),
    ("00:00:01,000\t-->\t00:00:02,000  X1:100 X2:200 Y1:1 Y2:2", "00:00:01.000-00:00:02.000"),
    ("  0:0:1,0 --> 0:0:2,0", "00:00:01.000-00:00:02.000"),
    ("000:00:01,000 --> 100:00:02,000", "00:00:01.000-100:00:02.000"),
    ("00:99:99,999 --> 02:00:00,000", "01:40:39.999-02:00:00.000"),
];

fn skip(reason: &str) {
    assert!(std::env::var_os("FILMSTRIP_TEST_ALL").is_none(), "{reason}");
    // Not by eprintln!, because the harness hides the output of passing tests.
    let _ = writeln!(io::stderr(), "skipped: {reason}");
}

#[test]
fn malformed_times_are_read_as_by_ffmpeg() {
    let file = |times: &str| format!("1\n{times}\na\n");
    for (times, want) in TIMES {
        assert_eq!(shown(file(times)), [format!("{want} a")], "{times}");
    }
    // What ffmpeg shows as text, though it is plain what is meant.
    for times in [
        "00:01,000 --> 0:02,000",
        "0:01 --> 0:02",
        "00:00:01 --> 00:00:02",
        "00:00:01,000 -> 00:00:02,000",
        "00:00:01,000 \u{2014}> 00:00:02,000",
        "00:00:01;000 -- > 00:00:02:000",
        "00 :00 :01 ,000 --> 00.00.02,000",
    ] {
        assert_eq!(shown(file(times)), [format!("{ONE} a")], "{times}");
    }
    assert_eq!(shown(file("-00:00:03,000 --> 0:00:02,000")), Vec::<String>::new(), "as in ffmpeg, -00 is 0");
    assert_eq!(shown(file("00:00:-01,000 --> 00:00:02,000")), ["00:00:00.000-00:00:02.000 a"]);
    let folder = tempfile::tempdir().unwrap();
    for (times, want) in TIMES {
        std::fs::write(folder.path().join("a.srt"), file(times)).unwrap();
        let arguments = ["-v", "error", "-f", "srt", "-i", "a.srt", "-f", "webvtt", "-"];
        let output = match Command::new("ffmpeg").args(arguments).current_dir(folder.path()).output() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return skip("ffmpeg is not installed"),
            output => output.unwrap(),
        };
        let theirs = naive(&String::from_utf8(output.stdout).unwrap()).unwrap();
        let with_hours = |time: &str| if time.len() < 12 { format!("00:{time}") } else { time.to_owned() };
        let theirs: Vec<_> = theirs.iter().filter_map(|cue| cue.trim_end_matches(" a").split_once('-')).collect();
        let theirs: Vec<_> = theirs.iter().map(|(a, b)| format!("{}-{}", with_hours(a), with_hours(b))).collect();
        assert_eq!(theirs, [*want], "{times}");
    }
}

#[test]
fn a_cue_is_dropped_only_without_an_end_after_its_start() {
    let rows = [
        ("00:00:02,000 --> 00:00:01,000", 1, ""),
        ("00:00:01,000 --> 00:00:01,000", 1, ""),
        // As in ffmpeg, what can't be read is text.
        ("00:00:0x,000 --> 00:00:02,000", 0, "|2|00:00:0x,000 --&gt; 00:00:02,000|b"),
        ("00:00:01,000 --> ", 0, "|2|00:00:01,000 --&gt;|b"),
        ("1:2:3:4,000 --> 1:2:3:5,000", 0, "|2|1:2:3:4,000 --&gt; 1:2:3:5,000|b"),
        (
            "99999999999:00:01,000 --> 99999999999:00:02,000",
            0,
            "|2|99999999999:00:01,000 --&gt; 99999999999:00:02,000|b",
        ),
        ("-->", 0, "|2|--&gt;|b"),
    ];
    for (times, dropped, text) in rows {
        let cue = |number: u32, text: &str| format!("{number}\n00:00:01,000 --> 00:00:02,000\n{text}\n\n");
        let file = format!("{}2\n{times}\nb\n\n{}", cue(1, "a"), cue(3, "c"));
        assert_eq!(shown(&file), [format!("{ONE} a{text}"), format!("{ONE} c")], "{times}");
        assert_eq!(to_webvtt(file.as_bytes(), "und").dropped, dropped, "{times}");
    }
}

#[test]
fn sound_webvtt_is_passed_through() {
    let rows = [
        "WEBVTT\n",
        "WEBVTT",
        "WEBVTT - a title\nKind: captions\n\nNOTE about\nit <x>\n\nSTYLE\n::cue { color: red }\n\nREGION\nid:fred\n\n\
         intro\n00:01.000 --> 00:02.000 line:0 region:fred align:start x:1\n\
         - <v.loud Bob>Hi &amp; <c.x><00:01.500>hey\n\n",
        "WEBVTT\r\n\r\n1\r\n00:00:01.000 --> 100:00:02.000\r\n<i>a</i> &eacute; {\\an8} \\N > b\r\n",
        "WEBVTT\r\r00:01.000\t-->\t00:02.000\ra\r\r00:00.500 --> 00:02.000\r<lang en>b</lang>\n",
        "WEBVTT\n\n00:01.000 --> 00:02.000\n\n00:01.000 --> 00:02.000\n<ruby>a<rt>b</rt></ruby>",
    ];
    for file in rows {
        assert_eq!(to_webvtt(file.as_bytes(), "und").text, file);
        assert_eq!(to_webvtt(&[b"\xef\xbb\xbf", file.as_bytes()].concat(), "und").text, file, "without its mark");
        let utf_16: Vec<u8> = file.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(to_webvtt(&[b"\xfe\xff", &utf_16[..]].concat(), "und").text, file, "from UTF-16");
    }
    assert_eq!(to_webvtt(b"WEBVTT\n\nNOTE \0, in a text", "und").text, "WEBVTT\n\nNOTE \u{fffd}, in a text");
}

#[test]
fn broken_webvtt_is_repaired() {
    let rows = [
        "webvtt\n\nSTYLE\n::cue {}\n\nintro\n00:01.000 --> 00:02.000 line:0\na\n\nNOTE b\nc\n\n\
         2\n00:01.000 --> 00:02.000\nd",
        "WEBVTT\n\n1\n00:00:01,000 --> 00:00:02,000 line:0 region:x\na\n\n2\n00:00:01.000 --> 00:00:02.000\nd",
        "WEBVTT\r\r\n\r\r\n00:01.000 --> 00:02.000 line:0\r\r\na\r\r\n\r\r\n00:01.000 --> 00:02.000\r\r\nd",
        "WEBVTT\n\n\n00:01.000 --> 00:02.000 line:0\n\na\n\n\n00:01.000 --> 00:02.000\n\nd\n",
        "1\n00:00:01.000 --> 00:00:02.000 line:0 size:<b>\na\n\n2\n00:00:01.000 --> 00:00:02.000\nd",
        "WEBVTT\n\n00:01.000 --> 00:02.000 line:0\n<x>a</x>\n\n00:01.000 --> 00:02.000\nd",
    ];
    for file in rows {
        assert_eq!(shown(file), [format!("{ONE} line:0 a"), format!("{ONE} d")], "{file:?}");
    }
    assert_eq!(shown("WEBVTT\n\n00:01.000 --> 00:02.000\n1 < 2"), [format!("{ONE} 1 &lt; 2")]);
}

const ASS: &str = "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\n\
    Format: Name, Fontname, Bold, Italic, Underline, Alignment\n\
    Style: Default,Sans,0,0,0,2\nStyle: Loud,Sans,-1,0,0,8\n\n[Events]\n\
    Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n\
    Comment: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,no\n";

#[test]
fn substation_becomes_webvtt() {
    let rows = [
        ("0,0:00:01.00,0:00:02.00,Default,,0,0,0,,a, b\\Nc\\nd\\he", " a, b|c|d\u{a0}e"),
        ("0,0:00:01.00,0:00:02.00,Loud,,0,0,0,,a{\\b0}b{\\r}c", " line:0 <b>a</b>b<b>c</b>"),
        ("0,0:00:01.00,0:00:02.00,*Default,,0,0,0,,{\\i1\\b700}a{\\i0}b{\\b}c", " <i><b>a</b></i><b>b</b>c"),
        (
            "0,0:00:01.00,0:00:02.00,,,0,0,0,,{\\an7}{\\an2}{\\u1}a{\\u}{\\bord3\\pos(1,2)}b",
            " line:0 position:0% align:left <u>a</u>b",
        ),
        ("0,0:00:01.00,0:00:02.00,x,,0,0,0,,{\\a11}a", " line:50% position:100% align:right a"),
        ("0,0:00:01.00,0:00:02.00,x,,0,0,0,,{\\p1}m 0 0 l 1 1{\\p0}a{note}", " a"),
        ("0,0:00:01.00,0:00:02.00,x,,0,0,0,,<i> &amp; 1 < 2", " &lt;i&gt; &amp;amp; 1 &lt; 2"),
    ];
    for (line, want) in rows {
        assert_eq!(shown(format!("{ASS}Dialogue: {line}\n")), [format!("{ONE}{want}")], "{line}");
    }
    let drawing = format!("{ASS}Dialogue: 0,0:00:01.00,0:00:02.00,x,,0,0,0,,{{\\p1}}m 0 0 l 1 1\n");
    assert_eq!(shown(drawing), Vec::<String>::new());
    let file = "[V4 Styles]\nFormat: Name, Alignment\nStyle: Top,6\n[Events]\nFormat: Marked, End, Start, Style, Text\n\
        Dialogue: Marked=0,0:00:04.00,0:00:03.50,Top,b\nDialogue: Marked=0,0:00:02.00,0:00:01.00,x,a\n\
        Dialogue: Marked=0,0:00:02.00,0:00:03.00,x,c\n";
    assert_eq!(shown(file), [format!("{ONE} a"), "00:00:03.500-00:00:04.000 line:0 b".into()], "in order");
    assert_eq!(to_webvtt(file.as_bytes(), "und").dropped, 1);
    assert_eq!(shown("Dialogue: 0,0:00:01.00,0:00:02.00,x,,0,0,0,,a, b"), [format!("{ONE} a, b")], "only lines");
}

#[test]
fn every_form_of_unicode_gives_the_same_text() {
    let text = "1\r\n00:00:01,000 --> 00:00:02,000\r\nDéjà vu – ça\r\n";
    let utf_16 = |order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    let utf_32 = |order: fn(u32) -> [u8; 4]| text.chars().flat_map(|c| order(c as u32)).collect::<Vec<u8>>();
    let rows = [
        ("UTF-8", text.as_bytes().to_vec()),
        ("UTF-8 with a mark", [b"\xef\xbb\xbf", text.as_bytes()].concat()),
        ("UTF-16LE", utf_16(u16::to_le_bytes)),
        ("UTF-16BE", utf_16(u16::to_be_bytes)),
        ("UTF-16LE with a mark", [b"\xff\xfe", &utf_16(u16::to_le_bytes)[..]].concat()),
        ("UTF-16BE with a mark", [b"\xfe\xff", &utf_16(u16::to_be_bytes)[..]].concat()),
        ("UTF-32LE with a mark", [b"\xff\xfe\0\0", &utf_32(u32::to_le_bytes)[..]].concat()),
        ("UTF-32BE with a mark", [b"\0\0\xfe\xff", &utf_32(u32::to_be_bytes)[..]].concat()),
        ("Windows-1252", WINDOWS_1252.encode(text).0.into_owned()),
    ];
    for (encoding, file) in rows {
        assert_eq!(shown(file), [format!("{ONE} Déjà vu – ça")], "{encoding}");
    }
    let broken = text.replace('–', "\u{1}").replace('\u{1}', "?").into_bytes();
    let broken: Vec<u8> = broken.iter().map(|&byte| if byte == b'?' { 0xff } else { byte }).collect();
    assert_eq!(shown(broken), [format!("{ONE} Déjà vu \u{fffd} ça")], "UTF-8 with a broken byte");
}

#[test]
fn utf_16_is_told_by_its_zeros_in_every_script() {
    let text = "1\r\n00:00:01,000 --> 00:00:02,000\r\n".to_owned() + &"\u{65e5}\u{672c}".repeat(60) + "\r\n\r\n";
    let file: Vec<u8> = text.repeat(40).encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(shown(file).len(), 40);
}

/// Sentences as they are in subtitles, in the encoding that was usual for their language.
#[rustfmt::skip]
const SENTENCES: &[(&Encoding, &str, [&str; 3])] = &[
    (WINDOWS_1250, "pl", ["Gdzie położyłeś klucze do piwnicy?", "Nie śpiesz się, pociąg i tak się spóźni.", "Jeszcze źle się czuję, ale jutro wrócę do pracy."]),
    (WINDOWS_1250, "cs", ["Kde jsi nechal ten žlutý deštník?", "Příště přijď dřív, večeře už vystydla.", "Nevím, kdo ti to řekl, ale není to pravda."]),
    (ISO_8859_2, "hu", ["Hová tűnt a kutyánk tegnap este?", "Őszintén szólva nem értem, miért jöttél.", "Köszönöm szépen, majd holnap megbeszéljük."]),
    (WINDOWS_1251, "ru", ["Куда ты положил ключи от машины?", "Поезд уходит через десять минут, собирайся.", "Я никогда не видел такого снега в апреле."]),
    (WINDOWS_1251, "bg", ["Къде остави чантата ми снощи?", "Утре ще отидем заедно до пазара.", "Не мога да повярвам, че си тук."]),
    (KOI8_R, "ru", ["Закрой окно, на улице холодно.", "Мы опоздали на последний автобус.", "Скажи ему, что я скоро вернусь."]),
    (IBM866, "ru", ["Почему ты молчишь целый вечер?", "Осторожно, ступеньки совсем мокрые.", "Завтра утром мы поедем на рыбалку."]),
    (WINDOWS_1252, "fr", ["Où as-tu rangé les clés de la cave ?", "Ça m'est égal, je préfère rester à la maison.", "Le garçon a déjà mangé tout le gâteau."]),
    (WINDOWS_1252, "de", ["Können Sie mir den Weg zum Bahnhof erklären?", "Ich weiß nicht, warum er so spät kommt.", "Die Bäckerei schließt heute früher als üblich."]),
    (WINDOWS_1253, "el", ["Πού άφησες τα κλειδιά του αυτοκινήτου;", "Δεν θέλω να φύγω απόψε, έξω βρέχει.", "Αύριο το πρωί θα πάμε στη θάλασσα."]),
    (WINDOWS_1254, "tr", ["Anahtarları nereye koyduğunu hatırlıyor musun?", "Dışarıda yağmur yağıyor, şemsiyeni al.", "Yarın akşam için bütün işleri bitirmeliyiz."]),
    (WINDOWS_1255, "he", ["איפה שמת את המפתחות של הבית?", "אני לא מבין למה הוא כועס עליי.", "מחר בבוקר ניסע ביחד אל הים."]),
    (WINDOWS_1256, "ar", ["أين وضعت مفاتيح السيارة؟", "لا أستطيع أن أصدق أنك هنا.", "غدا صباحا سنذهب إلى السوق معا."]),
    (WINDOWS_1257, "lt", ["Kur padėjai mašinos raktelius?", "Rytoj ryte važiuosime prie jūros.", "Aš nežinau, kodėl jis taip vėluoja."]),
    (WINDOWS_874, "th", ["คุณวางกุญแจรถไว้ที่ไหน", "พรุ่งนี้เช้าเราจะไปทะเลด้วยกัน", "ฉันไม่รู้ว่าทำไมเขามาสาย"]),
    (GBK, "zh", ["你把车钥匙放在哪里了？", "明天早上我们一起去海边。", "我不知道他为什么迟到了。"]),
    (BIG5, "zh-TW", ["你把車鑰匙放在哪裡了？", "明天早上我們一起去海邊。", "我不知道他為什麼遲到了。"]),
    (SHIFT_JIS, "ja", ["車の鍵をどこに置いたの？", "明日の朝、一緒に海へ行こう。", "どうして彼が遅れたのかわからない。"]),
    (EUC_JP, "ja", ["窓を閉めてください、寒いです。", "もう少しだけここにいてもいい？", "先生は来週まで戻りません。"]),
    (ISO_2022_JP, "ja", ["雨が降る前に帰りましょう。", "この手紙は誰が書いたのですか。", "電車はもう出てしまった。"]),
    (EUC_KR, "ko", ["자동차 열쇠를 어디에 두었어?", "내일 아침에 같이 바다에 가자.", "그가 왜 늦었는지 모르겠어요."]),
    (WINDOWS_1250, "pl", ["Mój brat mieszka teraz w Łodzi.", "Proszę, usiądź i posłuchaj mnie przez chwilę.", "Ktoś zapukał do drzwi o północy."]),
    (WINDOWS_1250, "hu", ["A nővérem most Pécsen él a férjével.", "Kérlek, ülj le, és hallgass végig!", "Valaki éjfélkor bekopogott az ajtón."]),
    (ISO_8859_2, "cs", ["Můj bratr teď bydlí v Plzni.", "Prosím, posaď se a chvíli mě poslouchej.", "O půlnoci někdo zaklepal na dveře."]),
    (WINDOWS_1251, "ru", ["Мой брат теперь живёт в Казани.", "Пожалуйста, сядь и послушай меня.", "В полночь кто-то постучал в дверь."]),
    (WINDOWS_1251, "uk", ["Мій брат тепер живе у Львові.", "Будь ласка, сядь і послухай мене.", "Опівночі хтось постукав у двері."]),
    (KOI8_R, "ru", ["Она купила хлеб и молоко.", "Этот фильм мы смотрели в прошлом году.", "Вам письмо от старшего брата."]),
    (IBM866, "ru", ["Она купила хлеб и молоко.", "Этот фильм мы смотрели в прошлом году.", "Вам письмо от старшего брата."]),
    (WINDOWS_1252, "es", ["Mi hermano vive ahora en Málaga.", "Siéntate y escúchame un momento, por favor.", "¿Quién llamó a la puerta a medianoche?"]),
    (WINDOWS_1252, "sv", ["Min bror bor numera i Malmö.", "Sätt dig ner och lyssna på mig en stund.", "Någon knackade på dörren vid midnatt."]),
    (ISO_8859_7, "el", ["Ο αδελφός μου μένει τώρα στην Πάτρα.", "Κάθισε και άκουσέ με για λίγο.", "Κάποιος χτύπησε την πόρτα τα μεσάνυχτα."]),
    (WINDOWS_1254, "tr", ["Ağabeyim artık İzmir'de yaşıyor.", "Lütfen otur ve beni biraz dinle.", "Gece yarısı birisi kapıyı çaldı."]),
    (WINDOWS_1255, "he", ["אחי גר עכשיו בחיפה.", "בבקשה שב ותקשיב לי רגע.", "מישהו דפק בדלת בחצות."]),
    (WINDOWS_1256, "ar", ["أخي يعيش الآن في الإسكندرية.", "من فضلك اجلس واستمع إلي قليلا.", "طرق أحدهم الباب عند منتصف الليل."]),
    (WINDOWS_1257, "lv", ["Mans brālis tagad dzīvo Liepājā.", "Lūdzu, apsēdies un paklausies mani.", "Pusnaktī kāds pieklauvēja pie durvīm."]),
    (WINDOWS_874, "th", ["พี่ชายของฉันอยู่ที่เชียงใหม่", "กรุณานั่งลงแล้วฟังฉันสักครู่", "มีคนเคาะประตูตอนเที่ยงคืน"]),
    (GB18030, "zh", ["我哥哥现在住在成都。", "请坐下，听我说几句话。", "半夜有人敲门。"]),
    (BIG5, "zh-Hant", ["我哥哥現在住在高雄。", "請坐下，聽我說幾句話。", "半夜有人敲門。"]),
    (SHIFT_JIS, "ja", ["兄は今、神戸に住んでいます。", "座って、少し話を聞いてください。", "真夜中に誰かがドアを叩いた。"]),
    (EUC_JP, "ja", ["兄は今、神戸に住んでいます。", "座って、少し話を聞いてください。", "真夜中に誰かがドアを叩いた。"]),
    (ISO_2022_JP, "ja", ["兄は今、神戸に住んでいます。", "座って、少し話を聞いてください。", "真夜中に誰かがドアを叩いた。"]),
    (EUC_KR, "ko", ["우리 형은 지금 부산에 살아요.", "앉아서 제 말을 잠깐 들어 주세요.", "한밤중에 누군가 문을 두드렸다."]),
];

#[test]
fn legacy_encodings_are_detected_from_one_sentence() {
    let mut wrong = Vec::new();
    let mut wrong_with_hint = Vec::new();
    for &(encoding, language, sentences) in SENTENCES {
        for sentence in sentences {
            let file = format!("1\r\n00:00:01,000 --> 00:00:02,000\r\n<i>{sentence}</i>\r\n\r\n");
            let bytes = encoding.encode(&file).0;
            let has_it = |language| to_webvtt(&bytes, language).text.contains(sentence);
            wrong.extend((!has_it("und")).then_some((encoding.name(), sentence)));
            wrong_with_hint.extend((!has_it(language)).then_some((encoding.name(), sentence)));
        }
    }
    let sentences = 3 * SENTENCES.len();
    assert!(wrong.len() * 45 <= sentences * 3, "{} of {sentences} without a hint: {wrong:?}", wrong.len());
    assert!(wrong_with_hint.len() <= 2, "with a hint: {wrong_with_hint:?}");
}

/// Files of each kind.
fn samples() -> Vec<Vec<u8>> {
    let srt = "1\r\n00:00:01,000 --> 00:00:02,000\r\n{\\an8}<i>Добрый</i> &eacute; <font color=red>a\r\n\r\n\
        2\r\n00:00:02,500 --> 00:00:03,000\r\nb\\Nc\r\n";
    let vtt = "WEBVTT\n\nNOTE x\n\nSTYLE\n::cue { color: red }\n\n\
        1\n00:01.000 --> 00:02.000 line:0\n<v Bob>a &amp; b\n\n\
        00:02.000 --> 00:03.000\n<i>c</i>\n";
    let ass = format!("{ASS}Dialogue: 0,0:00:01.00,0:00:02.00,Loud,,0,0,0,,{{\\i1}}a{{\\i0}}\\Nb{{\\p1}}m{{\\p0}}\n");
    let utf_16 = [b"\xff\xfe", &srt.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()[..]].concat();
    vec![srt.into(), vtt.into(), ass.into(), utf_16, WINDOWS_1251.encode(srt).0.into(), vtt.replace('.', ",").into()]
}

#[test]
fn mutated_files_become_valid_webvtt() {
    let begun = Instant::now();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below.max(1) as u64) as usize
    };
    for round in 0..30_000 {
        // Debug builds on busy machines do fewer.
        if begun.elapsed().as_secs() >= 4 {
            break;
        }
        let mut file = samples().swap_remove(round % 6);
        for _ in 0..=random(4) {
            let at = random(file.len());
            match random(5) {
                0 if at < file.len() => file[at] = random(256) as u8,
                1 => file.insert(at, b"<>&{}\\-\n\r\0,:. 1"[random(15)]),
                2 if at < file.len() => _ = file.remove(at),
                3 => {
                    let (start, length) = (random(file.len()), random(40));
                    let piece: Vec<u8> = file[start..].iter().copied().take(length).collect();
                    file.splice(at..at, piece);
                }
                _ => {
                    let mut lines: Vec<Vec<u8>> = file.split_inclusive(|&byte| byte == b'\n').map(Into::into).collect();
                    let (from, to) = (random(lines.len()), random(lines.len()));
                    lines.swap(from, to);
                    file = lines.concat();
                }
            }
        }
        let vtt = to_webvtt(&file, ["und", "ru", "zh-Hant", "-", "Ü"][round % 5]).text;
        assert!(naive(&vtt).is_ok(), "{:?}: {vtt:?} of {:?}", naive(&vtt), file.escape_ascii().to_string());
    }
}

#[test]
fn a_file_made_to_be_slow_is_not() {
    let begun = Instant::now();
    let starts =
        ["1\n00:00:01,000 --> 00:00:02,000\n", "1\n00:00:01,000 --> 00:00:02,000\n\u{e9}\u{fc}", ASS, "WEBVTT\n\n"];
    let units =
        ["<b>", "<b", "</i>", "{\\", "{\\i1\\i0}", "&", "-->", "\r", "\n", "1\n00:01 --> 00:02\na\n", "<v a>", ","];
    for start in starts {
        for unit in units {
            let file = format!("{start}{}", unit.repeat(64 * 1024 / unit.len()));
            let _ = shown(&file);
            let _ = to_webvtt(&WINDOWS_1252.encode(&file).0, "und");
        }
    }
    // A busy machine takes seconds; quadratic work takes minutes.
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
}

proptest! {
    #[test]
    fn any_bytes_become_valid_webvtt(bytes: Vec<u8>) {
        let vtt = to_webvtt(&bytes, "und").text;
        prop_assert!(naive(&vtt).is_ok(), "{:?}", vtt);
    }

    #[test]
    fn any_pieces_become_valid_webvtt(pieces in proptest::collection::vec(prop_oneof![
        Just("WEBVTT\n\n".to_owned()), Just("00:00:01,000 --> 00:00:02,000\n".to_owned()), Just("\n".to_owned()),
        Just("<script>".to_owned()), Just("<i>".to_owned()), Just("</b>".to_owned()), Just("<br>".to_owned()),
        Just("<v a".to_owned()), Just("-->".to_owned()), Just("--".to_owned()), Just(">".to_owned()),
        Just("<".to_owned()), Just("&".to_owned()), Just("{\\an8}".to_owned()), Just("<c.".to_owned()),
        Just("1\n".to_owned()), Just("\u{2028}".to_owned()), "[ -~]{0,5}", "\\PC{0,3}",
    ], 0..40)) {
        let vtt = to_webvtt(pieces.concat().as_bytes(), "und").text;
        prop_assert!(naive(&vtt).is_ok(), "{:?}", vtt);
    }
}
