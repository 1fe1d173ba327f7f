//! The order of names, as a person of any language expects it: Unicode's root collation, with numbers by their values.

use icu_collator::CollatorBorrowed;
use icu_collator::options::{CollatorOptions, Strength};

/// Sorts `items` by the names that `text` gives them. Case and accents count only between names that are equal
/// otherwise; `.` and `_` count as blanks. Between equals `name` decides, so that the order is total.
pub fn sort<T>(mut items: Vec<T>, text: fn(&T) -> &[u8], name: fn(&T) -> &[u8]) -> Vec<T> {
    items.sort_by_cached_key(|item| {
        let text = String::from_utf8_lossy(text(item));
        (key(&readable(&text)), name(item).to_vec())
    });
    items
}

/// The root collation's key.
fn key(text: &str) -> Vec<u8> {
    const ROOT: CollatorBorrowed<'static> = CollatorBorrowed::new_root({
        let mut options = CollatorOptions::default();
        options.strength = Some(Strength::Tertiary);
        options
    });
    let mut key = Vec::with_capacity(2 * text.len());
    // Writing to a vector never fails.
    let _ = ROOT.write_sort_key_to(text, &mut key);
    key
}

/// The text with blanks for `.` and `_`, and each number without leading zeros after its length: ` 9` is ` 19`, `_10`
/// is ` 210`. So its digits can be compared one by one, which is all that the root collation does.
fn readable(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut digits = String::new();
    for c in text.chars() {
        match digit(c) {
            Some(digit) => digits.push(digit),
            None => {
                push_number(&mut out, &mut digits);
                out.push(if matches!(c, '.' | '_') { ' ' } else { c });
            }
        }
    }
    push_number(&mut out, &mut digits);
    out
}

/// Appends what there is of a number, and clears it.
fn push_number(out: &mut String, digits: &mut String) {
    if digits.is_empty() {
        return;
    }
    let number = digits.trim_start_matches('0');
    // A length of nine or more is a 9, and what it is more: its digits are as many as that.
    (0..number.len() / 9).for_each(|_| out.push('9'));
    out.extend(char::from_digit((number.len() % 9) as u32, 10));
    out.push_str(number);
    digits.clear();
}

/// A decimal digit of a script in use, in ASCII.
fn digit(c: char) -> Option<char> {
    /// Arabic, Persian, Devanagari, Bengali, Thai, full-width.
    const ZEROS: [char; 7] = ['0', '\u{660}', '\u{6f0}', '\u{966}', '\u{9e6}', '\u{e50}', '\u{ff10}'];
    let value = |zero: char| (c as u32).checked_sub(zero as u32).filter(|value| *value < 10);
    ZEROS.into_iter().find_map(value).and_then(|value| char::from_digit(value, 10))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_in_the_order_that_a_person_expects() {
        let rows = [
            "(500) Days.mp4",
            "1 \u{e9}t\u{e9}",
            "9",
            "\u{ff11}\u{ff12}",
            "0013",
            "\u{661}\u{664}",
            "1234567890123456789",
            "1234567890123456789012",
            "Aal",
            "\u{c4}pfel",
            "apfel 2",
            "Apfel 10",
            "Die Hard",
            "Diego",
            "Northern Lights S01E03",
            "Northern.Lights.S01E04",
            "Northern_Lights S1E5",
            "Northern Lights S01E10",
            "sse",
            "stra\u{df}e 1",
            "Strasse 2",
            "Zebra",
            "\u{3b1}\u{3b2}",
            "\u{435}\u{436}",
            "\u{451}\u{437}",
            "\u{436}",
            "\u{439}",
            "\u{43a}",
            "\u{e01}",
            "\u{30a2}",
            "\u{3042}\u{3044}",
            "\u{30ab}",
            "\u{4e00}",
        ];
        let reversed = rows.into_iter().rev().collect();
        assert_eq!(sort(reversed, |name| name.as_bytes(), |name| name.as_bytes()), rows);
    }

    proptest! {
        #[test]
        fn the_order_is_total(mut names: Vec<Vec<u8>>) {
            let sorted = sort(names.clone(), |name| name, |name| name);
            names.reverse();
            prop_assert_eq!(sorted, sort(names, |name| name, |name| name));
        }

        #[test]
        fn numbers_are_in_the_order_of_their_values(one in "[0-9]{1,40}", other in "[0-9]{1,40}") {
            let number = |digits: &str| {
                let digits = digits.trim_start_matches('0').to_owned();
                (digits.len(), digits)
            };
            let key = |digits: &str| key(&readable(&format!("Episode {digits}")));
            prop_assert_eq!(key(&one).cmp(&key(&other)), number(&one).cmp(&number(&other)));
        }
    }
}
