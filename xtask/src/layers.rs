//! The direction of imports: each crate has its layers in ARCHITECTURE.md, lowest first, and no
//! file imports from a layer above its own. And no circle of imports has more files than a reader
//! can keep in mind.
//!
//! Tests may import what they like. So may documentation: its links go through the crate's root, as
//! users see it. A module that only re-exports what is in its own folder does not depend on it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, UseTree, Visibility};

/// So many files may import each other in a circle.
const CIRCLE_MAX: usize = 3;

/// How a crate's layers begin in ARCHITECTURE.md; the directory of its sources follows.
const FENCE: &str = "```layers ";

/// A module's place below the crate's root: `["sys", "linux"]`.
type Module = Vec<String>;

/// The files of a crate, and what each imports.
#[derive(Debug, Default)]
pub(crate) struct Imports(BTreeMap<Module, BTreeSet<Module>>);

/// What is wrong in the crates whose layers are in this text.
pub(crate) fn complaints(architecture: &str) -> anyhow::Result<Vec<String>> {
    let mut wrong = Vec::new();
    let mut rest = architecture;
    let mut is_first = true;
    while let Some((_, after)) = rest.split_once(FENCE) {
        is_first = false;
        let (dir, after) = after.split_once('\n').context("a line ends")?;
        let (layers, after) = after.split_once("```").context("the layers do not end")?;
        let layers: Vec<Vec<&str>> = layers
            .lines()
            .map(|l| l.split_whitespace().collect())
            .collect();
        let imports = Imports::read(Path::new(dir.trim()))?;
        let complaints = imports.complaints(&layers);
        wrong.extend(complaints.into_iter().map(|what| format!("{dir}: {what}")));
        rest = after;
    }
    if is_first {
        bail!("ARCHITECTURE.md has no layers: no line begins with {FENCE}DIRECTORY");
    }
    Ok(wrong)
}

impl Imports {
    pub(crate) fn read(dir: &Path) -> anyhow::Result<Imports> {
        let mut files = Vec::new();
        crate::sources::collect(dir, &mut files)?;
        let mut texts = BTreeMap::new();
        for file in files {
            let place = file.strip_prefix(dir)?.with_extension("");
            let names = place
                .components()
                .map(|part| part.as_os_str().to_string_lossy());
            let mut module: Module = names.map(Into::into).collect();
            if module
                .iter()
                .any(|name| name == "tests" || name.ends_with("_tests"))
            {
                continue;
            }
            let last = module.last().map(String::as_str);
            if last == Some("mod") || (module.len() == 1 && matches!(last, Some("lib" | "main"))) {
                module.pop();
            }
            let text = fs::read_to_string(&file);
            texts.insert(
                module,
                text.with_context(|| format!("cannot read {}", file.display()))?,
            );
        }
        Imports::of(&texts)
    }

    fn of(texts: &BTreeMap<Module, String>) -> anyhow::Result<Imports> {
        let mut imports = Imports::default();
        for (module, text) in texts {
            let file = syn::parse_file(text).with_context(|| format!("{module:?} is no Rust"))?;
            let mut finder = Finder {
                place: module.clone(),
                file: module,
                texts,
                found: BTreeSet::new(),
            };
            finder.visit_file(&file);
            imports.0.insert(module.clone(), finder.found);
        }
        Ok(imports)
    }

    fn complaints(&self, layers: &[Vec<&str>]) -> Vec<String> {
        let mut wrong = Vec::new();
        for (module, imported) in &self.0 {
            let Some(own) = layer(module, layers) else {
                wrong.push(format!(
                    "{} is in no layer of ARCHITECTURE.md",
                    name(module)
                ));
                continue;
            };
            for other in imported {
                if layer(other, layers)
                    .is_some_and(|layer| layer.0 > own.0 || (layer.0 == own.0 && layer.1 != own.1))
                {
                    wrong.push(format!(
                        "{} imports {}, which is not below it",
                        name(module),
                        name(other)
                    ));
                }
            }
        }
        for circle in self.circles() {
            if circle.len() > CIRCLE_MAX {
                let names: Vec<String> = circle.iter().map(|module| name(module)).collect();
                let count = circle.len();
                wrong.push(format!(
                    "{count} files import each other in circles: {}",
                    names.join(" ")
                ));
            }
        }
        wrong
    }

    /// The names of the files of each circle.
    pub(crate) fn circle_names(&self) -> Vec<Vec<String>> {
        let names = |circle: Vec<&Module>| circle.into_iter().map(name).collect();
        self.circles().into_iter().map(names).collect()
    }

    /// The files that reach each other by imports, in sets of more than one.
    fn circles(&self) -> Vec<Vec<&Module>> {
        let reach: BTreeMap<&Module, BTreeSet<&Module>> = self
            .0
            .keys()
            .map(|module| (module, self.reached_from(module)))
            .collect();
        let mut circles = Vec::new();
        let mut done = BTreeSet::new();
        for module in self.0.keys() {
            let is_mutual = |other: &&&Module| {
                reach[module].contains(**other) && reach[**other].contains(module)
            };
            let circle: Vec<&Module> = self.0.keys().filter(|other| is_mutual(&other)).collect();
            if circle.len() > 1 && done.insert(circle.clone()) {
                circles.push(circle);
            }
        }
        circles
    }

    fn reached_from<'a>(&'a self, module: &'a Module) -> BTreeSet<&'a Module> {
        let mut reached = BTreeSet::new();
        let mut open = vec![module];
        while let Some(next) = open.pop() {
            for other in self.0.get(next).into_iter().flatten() {
                if reached.insert(other) {
                    open.push(other);
                }
            }
        }
        reached
    }
}

/// The layer of a module, and which of the names in it: the longest that it is below, or is.
fn layer(module: &Module, layers: &[Vec<&str>]) -> Option<(usize, usize)> {
    let mut best: Option<((usize, usize), usize)> = None;
    for (height, names) in layers.iter().enumerate() {
        for (index, name) in names.iter().enumerate() {
            let parts: Vec<&str> = match *name {
                "(root)" => Vec::new(),
                name => name.split('/').collect(),
            };
            let is_below = parts.len() <= module.len()
                && parts.iter().zip(module).all(|(part, of)| part == of);
            let is_fit = if parts.is_empty() {
                module.is_empty()
            } else {
                is_below
            };
            if is_fit && best.is_none_or(|(_, length)| parts.len() > length) {
                best = Some(((height, index), parts.len()));
            }
        }
    }
    best.map(|(place, _)| place)
}

fn name(module: &Module) -> String {
    match module.is_empty() {
        true => "(root)".into(),
        false => module.join("/"),
    }
}

/// Finds what one file imports.
struct Finder<'a> {
    /// The module that is looked at: that of the file, or one within it.
    place: Module,
    file: &'a Module,
    texts: &'a BTreeMap<Module, String>,
    found: BTreeSet<Module>,
}

impl Finder<'_> {
    /// Something in this crate is named by this path.
    fn add(&mut self, path: &[String]) {
        let mut at = self.place.clone();
        let mut rest = path;
        match path.first().map(String::as_str) {
            Some("crate") => {
                at.clear();
                rest = &path[1..];
            }
            Some("self" | "super") => {
                while let Some(first) = rest.first() {
                    match first.as_str() {
                        "super" => drop(at.pop()),
                        "self" => {}
                        _ => break,
                    }
                    rest = &rest[1..];
                }
            }
            Some(first) => {
                at.push(first.to_owned());
                if !self.texts.contains_key(&at) {
                    return;
                }
                at.pop();
            }
            None => return,
        }
        for part in rest {
            at.push(part.clone());
            if !self.texts.contains_key(&at) {
                at.pop();
                break;
            }
        }
        // A module within a file is a part of that file.
        while !self.texts.contains_key(&at) && at.pop().is_some() {}
        if at != *self.file {
            self.found.insert(at);
        }
    }

    fn add_tree(&mut self, before: &[String], tree: &UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.add_tree(&with(&path.ident), &path.tree),
            UseTree::Name(leaf) => self.add(&with(&leaf.ident)),
            UseTree::Rename(leaf) => self.add(&with(&leaf.ident)),
            UseTree::Glob(_) => self.add(before),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_tree(before, tree);
                }
            }
        }
    }

    /// Paths in what a macro is given.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => path.push(ident.to_string()),
                TokenTree::Punct(punct) if punct.as_char() == ':' => {}
                other => {
                    let path = std::mem::take(&mut path);
                    self.add_path(&path);
                    // What follows `pub` in parentheses imports nothing.
                    if let TokenTree::Group(group) = other
                        && path.last().is_none_or(|last| last != "pub")
                    {
                        self.add_tokens(group.stream());
                    }
                }
            }
        }
        self.add_path(&path);
    }

    /// If this begins where all of this crate does.
    fn add_path(&mut self, path: &[String]) {
        if matches!(path.first().map(String::as_str), Some("crate" | "super")) {
            self.add(path);
        }
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let is_cfg = attribute.path().is_ident("cfg");
        is_cfg
            && attribute
                .meta
                .require_list()
                .is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_for_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.place.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.place.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let before = std::mem::take(&mut self.found);
        self.add_tree(&[], &item.tree);
        let is_reexport = !matches!(item.vis, Visibility::Inherited);
        let file = self.file;
        self.found
            .retain(|module| !(is_reexport && module.starts_with(file)));
        self.found.extend(before);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let path_names = path.segments.iter().map(|part| part.ident.to_string());
        self.add_path(&path_names.collect::<Vec<_>>());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.add_tokens(item.tokens.clone());
        visit::visit_macro(self, item);
    }

    /// `pub(crate)` imports nothing.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    /// Documentation and other attributes name things through the root.
    fn visit_attribute(&mut self, _: &'ast Attribute) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(files: &[(&str, &str)]) -> BTreeMap<Module, String> {
        let module = |name: &str| {
            name.split('/')
                .filter(|part| !part.is_empty())
                .map(Into::into)
                .collect()
        };
        files
            .iter()
            .map(|(name, text)| (module(name), (*text).to_owned()))
            .collect()
    }

    fn complaints_of(files: &[(&str, &str)]) -> Vec<String> {
        let layers = vec![vec!["low", "other"], vec!["low/high"], vec!["(root)"]];
        Imports::of(&texts(files)).unwrap().complaints(&layers)
    }

    #[test]
    fn an_import_from_above_is_found_however_it_is_written() {
        let upward = [
            "use crate::low::high::Thing;",
            "use super::low::{high::Thing};",
            "fn f() { crate::low::high::thing() }",
            "mod within { use super::super::low::high; }",
            "fn f() { println!(\"{}\", crate::low::high::NAME); }",
            "use crate::Root;",
            "use crate::low::Peer;",
        ];
        for text in upward {
            let files = [
                ("", "mod low;"),
                ("low", ""),
                ("low/high", ""),
                ("other", text),
            ];
            let complaints = complaints_of(&files);
            assert_eq!(complaints.len(), 1, "{text}: {complaints:?}");
            assert!(
                complaints[0].starts_with("other imports "),
                "{complaints:?}"
            );
        }
    }

    #[test]
    fn lower_layers_may_be_imported_and_tests_may_import_everything() {
        let fine = [
            "use crate::low::Thing;",
            "use super::Low;",
            "#[cfg(test)] mod tests { use crate::Root; }",
            "/// [`Root`](crate::Root)\nfn f() {}",
            "use std::low::high;",
        ];
        for text in fine {
            let files = [
                ("", "pub use low::high::Thing;"),
                ("low", ""),
                ("low/high", text),
            ];
            assert_eq!(complaints_of(&files), [""; 0], "{text}");
        }
    }

    #[test]
    fn a_cycle_of_many_files_is_found_and_one_of_few_is_not() {
        let circle = |names: &[&str]| {
            let next = names.iter().cycle().skip(1);
            let files = names.iter().zip(next);
            let texts: Vec<(String, String)> = files
                .map(|(name, next)| (format!("low/{name}"), format!("use crate::low::{next}::X;")))
                .collect();
            let mut files: Vec<(&str, &str)> = texts
                .iter()
                .map(|(name, text)| (&**name, &**text))
                .collect();
            files.push(("low", ""));
            complaints_of(&files)
        };
        assert_eq!(circle(&["a", "b", "c"]), [""; 0]);
        let complaints = circle(&["a", "b", "c", "d"]);
        assert_eq!(
            complaints,
            ["4 files import each other in circles: low/a low/b low/c low/d"]
        );
    }

    #[test]
    fn a_file_without_a_layer_is_reported() {
        let complaints = complaints_of(&[("elsewhere", "")]);
        assert_eq!(complaints, ["elsewhere is in no layer of ARCHITECTURE.md"]);
    }
}
