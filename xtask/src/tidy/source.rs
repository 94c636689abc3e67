//! A Rust file read just closely enough to count lines and find names. No parser: comments and
//! the insides of literals are blanked out, and braces are matched.

/// A file without comments and literals; every other byte keeps its place.
pub(super) struct Source {
    code: Vec<u8>,
}

/// Where a function stands and how long it is.
pub(super) struct Function {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) lines: usize,
}

impl Source {
    pub(super) fn new(text: &str) -> Source {
        let mut code = text.as_bytes().to_vec();
        let mut at = 0;
        while at < code.len() {
            let end = at + literal(&code[at..]).max(1);
            if end > at + 1 {
                for byte in &mut code[at..end] {
                    if *byte != b'\n' {
                        *byte = b' ';
                    }
                }
            }
            at = end;
            // A letter before a quote belongs to the literal only as its own prefix.
            while at < code.len() && is_name(code[at - 1]) && is_name(code[at]) {
                at += 1;
            }
        }
        Source { code }
    }

    /// Lines of the file, less its `#[cfg(test)]` modules.
    pub(super) fn lines_without_tests(&self) -> usize {
        let all = self.line(self.code.len().saturating_sub(1));
        let tests = self.find(b"#[cfg(test)]").into_iter().filter_map(|start| {
            let body = start + self.code[start..].iter().position(|b| matches!(b, b'{' | b';'))?;
            (self.code[body] == b'{').then(|| self.line(self.closing(body)) - self.line(start) + 1)
        });
        all.saturating_sub(tests.sum())
    }

    /// Every function with a body.
    pub(super) fn functions(&self) -> Vec<Function> {
        self.find(b"fn ").into_iter().filter_map(|start| self.function(start)).collect()
    }

    fn function(&self, start: usize) -> Option<Function> {
        if start > 0 && is_name(self.code[start - 1]) {
            return None;
        }
        let name = self.name(start + 3);
        // A function pointer has no name, a declaration no body.
        let body = start + self.code[start..].iter().position(|b| matches!(b, b'{' | b';'))?;
        if name.is_empty() || self.code[body] == b';' && !self.in_brackets(start, body) {
            return None;
        }
        let body = body + self.code[body..].iter().position(|&b| b == b'{')?;
        let line = self.line(start);
        Some(Function { name, line, lines: self.line(self.closing(body)) - line + 1 })
    }

    /// The names that stand directly under the top of the crate in a path of this file:
    /// after `crate::`, and after `super::` repeated `depth` times or more.
    pub(super) fn names_at_top(&self, depth: usize) -> Vec<(usize, String)> {
        let mut names = Vec::new();
        for start in self.find(b"crate::") {
            if start == 0 || !is_name(self.code[start - 1]) {
                self.names_after(start + b"crate::".len(), &mut names);
            }
        }
        let up = b"super::".repeat(depth);
        for start in self.find(&up) {
            let after = start + up.len();
            if !self.code[after..].starts_with(b"super::") {
                self.names_after(after, &mut names);
            }
        }
        names
    }

    /// One name, or the first name of each path in braces.
    fn names_after(&self, at: usize, names: &mut Vec<(usize, String)>) {
        if self.code.get(at) != Some(&b'{') {
            names.push((self.line(at), self.name(at)));
            return;
        }
        let (mut depth, mut fresh) = (0, true);
        for here in at..=self.closing(at) {
            match self.code[here] {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                b',' if depth == 1 => fresh = true,
                byte if depth == 1 && fresh && is_name(byte) => {
                    names.push((self.line(here), self.name(here)));
                    fresh = false;
                }
                _ => {}
            }
        }
    }

    fn name(&self, at: usize) -> String {
        let bytes = self.code[at.min(self.code.len())..].iter().take_while(|b| is_name(**b));
        bytes.map(|&b| char::from(b)).collect()
    }

    /// True when the byte stands inside square brackets, like the `;` of `[u8; 20]`.
    fn in_brackets(&self, start: usize, at: usize) -> bool {
        let count = |bracket| self.code[start..at].iter().filter(|&&b| b == bracket).count();
        count(b'[') > count(b']')
    }

    /// The brace that closes the one at this place, or the end of the file.
    fn closing(&self, open: usize) -> usize {
        let mut depth = 0;
        for (at, byte) in self.code.iter().enumerate().skip(open) {
            match byte {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                _ => continue,
            }
            if depth == 0 {
                return at;
            }
        }
        self.code.len() - 1
    }

    fn find(&self, needle: &[u8]) -> Vec<usize> {
        let windows = self.code.windows(needle.len()).enumerate();
        windows.filter(|(_, window)| *window == needle).map(|(at, _)| at).collect()
    }

    fn line(&self, at: usize) -> usize {
        let end = at.min(self.code.len());
        1 + self.code[..end].iter().filter(|&&b| b == b'\n').count()
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The length of the comment or literal that starts here, or 0.
fn literal(code: &[u8]) -> usize {
    match code {
        [b'/', b'/', ..] => code.iter().position(|&b| b == b'\n').unwrap_or(code.len()),
        [b'/', b'*', ..] => block_comment(code),
        [b'"', ..] => quoted(code, 0),
        [b'b' | b'c', b'"', ..] => quoted(code, 1),
        [b'r', b'"' | b'#', ..] => raw(code, 1),
        [b'b' | b'c', b'r', b'"' | b'#', ..] => raw(code, 2),
        [b'\'', b'\\', _, rest @ ..] => {
            3 + rest.iter().position(|&b| b == b'\'').map_or(rest.len(), |at| at + 1)
        }
        // A character, unlike a lifetime, is closed by a quote; it has at most four bytes.
        [b'\'', rest @ ..] => {
            let close = rest.iter().take(5).position(|&b| b == b'\'');
            let single = |at: &usize| {
                std::str::from_utf8(&rest[..*at]).is_ok_and(|s| s.chars().count() == 1)
            };
            close.filter(single).map_or(0, |at| at + 2)
        }
        _ => 0,
    }
}

fn block_comment(code: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < code.len() {
        match code[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] if depth == 1 => return at + 2,
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    code.len()
}

fn quoted(code: &[u8], prefix: usize) -> usize {
    let mut at = prefix + 1;
    while at < code.len() {
        match code[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    code.len()
}

fn raw(code: &[u8], prefix: usize) -> usize {
    let hashes = code[prefix..].iter().take_while(|&&b| b == b'#').count();
    if code.get(prefix + hashes) != Some(&b'"') {
        // r#name
        return 0;
    }
    let mut close = vec![b'#'; hashes + 1];
    close[0] = b'"';
    let body = prefix + hashes + 1;
    let end = code[body..].windows(close.len()).position(|window| window == close);
    end.map_or(code.len(), |at| body + at + close.len())
}
