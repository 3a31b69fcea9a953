//! Here-documents: `<<NAME`, and the lines up to that name.

use super::{Lexer, Place, Step, Token, lost};

/// A here-document whose lines are still to come.
#[derive(Clone, Debug)]
pub(super) struct Document {
    name: Vec<u8>,
    /// Nothing in its lines is expanded.
    is_quoted: bool,
    /// Tabs before its lines do not count.
    strips_tabs: bool,
}

impl Lexer<'_> {
    /// What follows `<<`. Of names only letters are accepted, all in quotes or none.
    pub(super) fn here_delimiter(&mut self) -> Step {
        let strips_tabs = self.peek(0) == Some(b'-');
        self.at += usize::from(strips_tabs);
        while matches!(self.peek(0), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        let quote = self.peek(0).filter(|byte| b"'\"\\".contains(byte));
        self.at += usize::from(quote.is_some());
        let mut name = Vec::new();
        while let Some(byte) = self
            .peek(0)
            .filter(|b| b.is_ascii_alphabetic() || *b == b'_')
        {
            name.push(byte);
            self.at += 1;
        }
        if let Some(quote @ (b'\'' | b'"')) = quote {
            if self.peek(0) != Some(quote) {
                return lost("after a here-document whose name is not plain");
            }
            self.at += 1;
        }
        let is_end = match self.tokens.get(self.at) {
            None => true,
            Some(Token::Byte(byte)) => b" \t\n;&|<>)".contains(byte),
            Some(Token::Place(_)) => false,
        };
        if name.is_empty() || !is_end {
            return lost("after a here-document whose name is not plain");
        }
        self.here.push(Document {
            name,
            is_quoted: quote.is_some(),
            strips_tabs,
        });
        Ok(())
    }

    /// At the start of a line: the here-documents that begin here.
    pub(super) fn here_documents(&mut self) -> Step {
        for document in std::mem::take(&mut self.here) {
            while self.at < self.tokens.len() {
                let mut line = self.here_line()?;
                if document.strips_tabs {
                    let tabs = line.iter().take_while(|byte| **byte == b'\t').count();
                    line.drain(..tabs);
                }
                if line == document.name {
                    break;
                }
                let is_joined = line.ends_with(b"\\");
                let expands = line.contains(&b'`')
                    || line
                        .windows(2)
                        .any(|pair| pair[0] == b'$' && b"({[".contains(&pair[1]));
                if !document.is_quoted && (is_joined || expands) {
                    return lost("after a here-document with substitutions in it");
                }
            }
        }
        Ok(())
    }

    fn here_line(&mut self) -> Step<Vec<u8>> {
        let mut line = Vec::new();
        while let Some(token) = self.tokens.get(self.at) {
            match token {
                Token::Place(Place::Value) => {
                    return self.refuse(self.at, "in a here-document", false);
                }
                Token::Place(Place::Digits) => line.push(b'1'),
                Token::Byte(b'\n') => {
                    self.at += 1;
                    break;
                }
                Token::Byte(byte) => line.push(*byte),
            }
            self.at += 1;
        }
        Ok(line)
    }
}
