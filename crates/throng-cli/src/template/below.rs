//! Paths with placeholders in them. Values come from anywhere, so what is made of one stays below
//! the directory that was written: the text before the first placeholder, up to its last separator.
//! This looks at names alone; it does not know where symbolic links lead.

use anyhow::bail;

use super::{Fill, PathRules, Pattern, Piece};
use crate::{sys, text};

impl Pattern {
    /// The directory that is written before the first placeholder, with its separator; nothing
    /// where that is the current one.
    pub(crate) fn fixed_directory(&self) -> &[u8] {
        let first = self.0.words.first().and_then(|word| word.pieces.first());
        match first {
            Some(Piece::Text(text)) => sys::PATHS.with_separator(text),
            _ => b"",
        }
    }

    /// The path with these values in it. Fails where a value leads out of the fixed directory.
    pub(crate) fn path_below(&self, fill: &Fill<'_>) -> anyhow::Result<Vec<u8>> {
        let path = self.bytes(fill)?;
        let names = path.split(|byte| sys::PATHS.is_separator(*byte));
        if let Some(device) = names.into_iter().find(|name| sys::is_device(name)) {
            bail!("{}: {} is a device", quoted(&path), quoted(device));
        }
        match sys::PATHS.reach(self.fixed_directory(), &path) {
            Reach::Below => Ok(path),
            Reach::Same => bail!(
                "{} names nothing below {}",
                quoted(&path),
                self.named_directory()
            ),
            Reach::Out => bail!(
                "{} is not below {}, and values do not lead out of what is written before their \
                 placeholder",
                quoted(&path),
                self.named_directory()
            ),
        }
    }

    fn named_directory(&self) -> String {
        match self.fixed_directory() {
            b"" => "the current directory".into(),
            directory => quoted(directory),
        }
    }
}

fn quoted(path: &[u8]) -> String {
    text::quoted(path)
}

/// Where a path leads, as far as its names tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// To something in the directory, or below it.
    Below,
    /// To the directory itself.
    Same,
    Out,
}

impl PathRules {
    /// A path up to its last separator, or its drive.
    fn with_separator(self, path: &[u8]) -> &[u8] {
        let last = path.iter().rposition(|byte| self.is_separator(*byte));
        let (drive, _) = self.split_drive(path);
        &path[..last.map_or(drive.len(), |last| last + 1)]
    }

    /// `path` begins with `directory`, which ends with a separator, or is empty.
    fn reach(self, directory: &[u8], path: &[u8]) -> Reach {
        let rest = &path[directory.len()..];
        let is_absolute = rest.first().is_some_and(|byte| self.is_separator(*byte));
        // A drive, or a stream of a file, which is none of its own.
        let has_colon = self.has_drives && rest.contains(&b':');
        if (directory.is_empty() && is_absolute) || has_colon {
            return Reach::Out;
        }
        let mut depth = 0_usize;
        let mut is_name = false;
        for name in rest.split(|byte| self.is_separator(*byte)) {
            is_name = false;
            match self.kind(name) {
                Kind::Same => {}
                Kind::Up => match depth.checked_sub(1) {
                    Some(above) => depth = above,
                    None => return Reach::Out,
                },
                Kind::Name => {
                    depth += 1;
                    is_name = true;
                }
            }
        }
        let ends_with_separator = rest.last().is_some_and(|byte| self.is_separator(*byte));
        if depth > 0 && (is_name || ends_with_separator) {
            Reach::Below
        } else {
            Reach::Same
        }
    }

    fn kind(self, name: &[u8]) -> Kind {
        // Windows takes no notice of dots and blanks at the end of a name.
        let is_nothing = |byte: &u8| matches!(byte, b'.' | b' ');
        match name {
            b"" | b"." => Kind::Same,
            b".." => Kind::Up,
            name if self.has_drives && name.iter().all(is_nothing) => Kind::Up,
            _ => Kind::Name,
        }
    }
}

/// What a name between two separators does.
enum Kind {
    Same,
    Up,
    Name,
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;
    use crate::args::Places;
    use crate::input::Columns;
    use crate::template::Language;

    const LINUX: PathRules = PathRules {
        separators: b"/",
        has_drives: false,
    };
    const WINDOWS: PathRules = PathRules {
        separators: b"/\\",
        has_drives: true,
    };

    #[test]
    fn a_value_leads_below_or_is_refused() {
        for (directory, path, expected) in [
            ("out/", "out/a.txt", Reach::Below),
            ("out/", "out/a/b.txt", Reach::Below),
            ("out/", "out//etc/passwd", Reach::Below),
            ("out/", "out/a/../b", Reach::Below),
            ("out/", "out/...", Reach::Below),
            ("out/", "out/a/", Reach::Below),
            ("out/", "out/../../x.txt", Reach::Out),
            ("out/", "out/a/../../b", Reach::Out),
            ("out/", "out/..", Reach::Out),
            ("out/", "out/.", Reach::Same),
            ("out/", "out/", Reach::Same),
            ("out/", "out//", Reach::Same),
            ("out/", "out/a/..", Reach::Same),
            ("out/", "out/a/.", Reach::Same),
            ("", "a", Reach::Below),
            ("", "/etc/passwd", Reach::Out),
            ("", "../a", Reach::Out),
            ("/", "//etc/passwd", Reach::Below),
        ] {
            assert_eq!(
                LINUX.reach(directory.as_bytes(), path.as_bytes()),
                expected,
                "{path}"
            );
        }
        for (directory, path, expected) in [
            (r"out\", r"out\a\b", Reach::Below),
            (r"out\", r"out\..\a", Reach::Out),
            ("out/", r"out/..\a", Reach::Out),
            ("out/", "out/.. /a", Reach::Out),
            ("out/", "out/.../a", Reach::Out),
            ("out/", r"out/C:\a", Reach::Out),
            ("out/", "out/a:b", Reach::Out),
            ("", r"C:a", Reach::Out),
            ("", r"\a", Reach::Out),
            ("C:", "C:a", Reach::Below),
        ] {
            assert_eq!(
                WINDOWS.reach(directory.as_bytes(), path.as_bytes()),
                expected,
                "{path}"
            );
        }
    }

    #[test]
    fn the_fixed_directory_is_what_is_before_the_first_placeholder() {
        for (rules, written, expected) in [
            (LINUX, "out/x", "out/"),
            (LINUX, "/a/b/x", "/a/b/"),
            (LINUX, "x", ""),
            (LINUX, r"a\b", ""),
            (WINDOWS, r"a\b", r"a\"),
            (WINDOWS, "C:x", "C:"),
        ] {
            let directory = rules.with_separator(written.as_bytes());
            assert_eq!(directory, expected.as_bytes(), "{written}");
        }
        let pattern = |text: &str| {
            let language = Language::new(&Places::default()).unwrap();
            Pattern::parse(text.as_ref(), &language, &Columns::new(Some(1))).unwrap()
        };
        assert_eq!(pattern("out/x-{}/{}").fixed_directory(), b"out/");
        assert_eq!(pattern("{}/x").fixed_directory(), b"");
        let values = [b"../../x".to_vec()];
        let fill = Fill {
            values: &values,
            ..Fill::default()
        };
        let error = pattern("out/{}.txt").path_below(&fill).unwrap_err();
        let expected = "\"out/../../x.txt\" is not below \"out/\", and values do not lead out of \
                        what is written before their placeholder";
        assert_eq!(error.to_string(), expected);
    }

    proptest! {
        #[test]
        fn a_path_that_is_taken_is_below_for_the_system_as_well(rest in "[a./\\\\:]{0,9}") {
            let path = format!("base/{rest}");
            let reach = sys::PATHS.reach(b"base/", path.as_bytes());
            let mut depth = 0_i64;
            let mut lowest = 0;
            for component in Path::new(&path).components().skip(1) {
                match component {
                    Component::Normal(_) => depth += 1,
                    Component::ParentDir => depth -= 1,
                    _ => {}
                }
                lowest = lowest.min(depth);
            }
            match reach {
                Reach::Below => prop_assert!(depth > 0 && lowest == 0),
                Reach::Same => prop_assert!(lowest == 0),
                Reach::Out => {}
            }
        }
    }
}
