//! No lost connection is taken for an answer of the server: the client may drop a refusal, and go on without what was
//! refused, but only where a lost connection goes another way, as with `Answered::unless_refused`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use syn::visit::{self, Visit};
use syn::{
    Arm, Expr, ExprLet, ExprMatch, ExprMethodCall, File, ImplItemFn, ItemFn, ItemMod, Local, Pat,
    PathSegment, Signature,
};

use super::map;

/// The errors among which a lost connection may be.
const ERRORS: &[&str] = &["RemoteError", "ConnectionLost", "TransferError"];
/// The methods of `Result` that drop the error.
const DROPPING: &[&str] = &[
    "ok",
    "is_ok",
    "is_ok_and",
    "is_err",
    "unwrap_or",
    "unwrap_or_default",
    "unwrap_or_else",
    "map_or",
];
/// The methods of `Result` that leave the error as it is.
const KEEPING: &[&str] = &["map", "and_then", "as_ref", "inspect"];
/// The functions that may drop a lost connection, with the reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("shell/lister.rs", "list", "completion shows nothing then"),
    (
        "commands/follow.rs",
        "follow",
        "the next read of the file says it",
    ),
    (
        "commands/runner.rs",
        "run",
        "the error is shown, and ends the command",
    ),
    ("commands/tree_reader.rs", "read", "that is the end of a queue"),
    (
        "sync/backup.rs",
        "take",
        "the error is returned, unless the name was taken",
    ),
    (
        "transfer/context.rs",
        "resolve_conflict",
        "that is an answer of the user",
    ),
    (
        "transfer/prover.rs",
        "hash_meanwhile",
        "those who fetch the bytes notice it, too",
    ),
    (
        "transfer/continued_proof.rs",
        "are_equal",
        "those who transfer the bytes notice it, too",
    ),
    ("transfer/spread/download.rs", "share", "the error is returned"),
];

/// The names of all types, variants and functions in a piece of code.
#[derive(Default)]
struct NamesInCode(BTreeSet<String>);

impl<'ast> Visit<'ast> for NamesInCode {
    fn visit_path_segment(&mut self, segment: &'ast PathSegment) {
        self.0.insert(segment.ident.to_string());
        visit::visit_path_segment(self, segment);
    }
}

/// The functions whose errors may be a lost connection.
#[derive(Default)]
struct RemoteFunctions {
    free: BTreeSet<String>,
    methods: BTreeSet<String>,
}

fn may_lose_connection(signature: &Signature) -> bool {
    let mut returned = NamesInCode::default();
    returned.visit_return_type(&signature.output);
    ERRORS.iter().any(|error| returned.0.contains(*error))
}

impl<'ast> Visit<'ast> for RemoteFunctions {
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        if may_lose_connection(&item.sig) {
            self.free.insert(item.sig.ident.to_string());
        }
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if may_lose_connection(&item.sig) {
            self.methods.insert(item.sig.ident.to_string());
        }
        visit::visit_impl_item_fn(self, item);
    }
}

/// Finds where one file drops errors of these functions.
struct DroppedErrors<'a> {
    functions: &'a RemoteFunctions,
    /// The variables of the function that hold results of them, with the functions' names.
    results: BTreeMap<String, String>,
    function: String,
    /// The functions of the file in which errors are dropped, and of which functions.
    found: Vec<(String, String)>,
}

impl<'a> DroppedErrors<'a> {
    fn of(file: &File, functions: &'a RemoteFunctions) -> Vec<(String, String)> {
        let mut dropped = Self {
            functions,
            results: BTreeMap::new(),
            function: String::new(),
            found: Vec::new(),
        };
        dropped.visit_file(file);
        dropped.found
    }

    /// The function whose result an expression is, if its error may be a lost connection.
    fn source(&self, expression: &Expr) -> Option<String> {
        match expression {
            Expr::Await(waited) => {
                let (name, known) = match &*waited.base {
                    Expr::MethodCall(call) => (call.method.to_string(), &self.functions.methods),
                    Expr::Call(call) => match &*call.func {
                        Expr::Path(path) => called(&path.path, self.functions)?,
                        _ => return None,
                    },
                    _ => return None,
                };
                known.contains(&name).then_some(name)
            }
            Expr::MethodCall(call) if KEEPING.contains(&&*call.method.to_string()) => {
                self.source(&call.receiver)
            }
            Expr::Path(path) => self.results.get(&path.path.get_ident()?.to_string()).cloned(),
            Expr::Paren(inner) => self.source(&inner.expr),
            Expr::Reference(inner) => self.source(&inner.expr),
            _ => None,
        }
    }

    fn fault(&mut self, of: String) {
        self.found.push((self.function.clone(), of));
    }

    fn enter(&mut self, name: String, visit: impl FnOnce(&mut Self)) {
        let outer = (
            std::mem::replace(&mut self.function, name),
            std::mem::take(&mut self.results),
        );
        visit(self);
        (self.function, self.results) = outer;
    }
}

/// The name that a path calls, and the functions among which it is looked for: those of a type, or the free ones.
fn called<'a>(path: &syn::Path, functions: &'a RemoteFunctions) -> Option<(String, &'a BTreeSet<String>)> {
    let mut segments = path.segments.iter().rev();
    let name = segments.next()?.ident.to_string();
    let of_type = segments.next().is_some_and(|above| {
        let above = above.ident.to_string();
        above.starts_with(|first: char| first.is_ascii_uppercase())
    });
    let known = match of_type {
        true => &functions.methods,
        false => &functions.free,
    };
    Some((name, known))
}

/// Whether an arm takes every error, or every error that is left, without its name.
fn takes_all_errors(pattern: &Pat) -> bool {
    match pattern {
        Pat::Wild(_) => true,
        Pat::Or(either) => either.cases.iter().any(takes_all_errors),
        Pat::TupleStruct(made) => {
            made.path.is_ident("Err") && matches!(made.elems.first(), Some(Pat::Wild(_)))
        }
        _ => false,
    }
}

/// Whether arms drop errors before one of them has taken a lost connection.
fn drop_errors(arms: &[Arm]) -> bool {
    let names_loss = |arm: &Arm| {
        let mut names = NamesInCode::default();
        names.visit_pat(&arm.pat);
        names.0.contains("ConnectionLost")
    };
    arms.iter()
        .take_while(|arm| !names_loss(arm))
        .any(|arm| takes_all_errors(&arm.pat))
}

/// Whether a pattern takes a success, and leaves every error to `else`.
fn is_success(pattern: &Pat) -> bool {
    matches!(pattern, Pat::TupleStruct(made) if made.path.is_ident("Ok"))
}

impl<'ast> Visit<'ast> for DroppedErrors<'_> {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if item.ident != "tests" {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.enter(item.sig.ident.to_string(), |own| visit::visit_item_fn(own, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.enter(item.sig.ident.to_string(), |own| {
            visit::visit_impl_item_fn(own, item);
        });
    }

    fn visit_local(&mut self, local: &'ast Local) {
        // What stands on the right may use an older variable of the same name.
        visit::visit_local(self, local);
        if let Some(init) = &local.init {
            let source = self.source(&init.expr);
            match (&local.pat, source) {
                (Pat::Ident(name), source) => {
                    let name = name.ident.to_string();
                    match source {
                        Some(source) => drop(self.results.insert(name, source)),
                        None => drop(self.results.remove(&name)),
                    }
                }
                (pattern, Some(source)) if is_success(pattern) && init.diverge.is_some() => {
                    self.fault(source);
                }
                _ => {}
            }
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        let method = call.method.to_string();
        let drops = DROPPING.contains(&&*method)
            || (method == "map_err"
                && matches!(call.args.first(), Some(Expr::Closure(with))
                    if matches!(with.inputs.first(), Some(Pat::Wild(_)))));
        if drops && let Some(source) = self.source(&call.receiver) {
            self.fault(source);
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_match(&mut self, matched: &'ast ExprMatch) {
        if drop_errors(&matched.arms)
            && let Some(source) = self.source(&matched.expr)
        {
            self.fault(source);
        }
        visit::visit_expr_match(self, matched);
    }

    fn visit_expr_let(&mut self, condition: &'ast ExprLet) {
        if is_success(&condition.pat)
            && let Some(source) = self.source(&condition.expr)
        {
            self.fault(source);
        }
        visit::visit_expr_let(self, condition);
    }
}

#[test]
fn no_lost_connection_is_taken_for_an_answer() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/client/src");
    let mut sources = Vec::new();
    map::gather(&root, &mut sources);
    let (mut functions, mut files) = (RemoteFunctions::default(), Vec::new());
    for source in &sources {
        let path = source.path.strip_prefix(&root).unwrap();
        if path.to_string_lossy().contains("tests") {
            continue;
        }
        let file = syn::parse_file(&source.text).unwrap();
        functions.visit_file(&file);
        files.push((path.to_string_lossy().into_owned(), file));
    }
    for name in ["stat", "lstat", "realpath", "link"] {
        assert!(
            functions.methods.contains(name),
            "{name} is a method of the client"
        );
    }
    assert!(functions.free.contains("hash"));
    let (mut faults, mut used) = (Vec::new(), BTreeSet::new());
    for (path, file) in &files {
        for (function, of) in DroppedErrors::of(file, &functions) {
            let is_it = |(file, name, _): &&(&str, &str, &str)| *file == path.as_str() && *name == function;
            match EXCEPTIONS.iter().find(is_it) {
                Some(exception) => drop(used.insert(exception)),
                None => faults.push(format!("{path}: {function} drops an error of {of}")),
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert_eq!(
        used.len(),
        EXCEPTIONS.len(),
        "an exception is not needed any more"
    );
}

#[test]
fn dropped_errors_are_found_whatever_their_form() {
    let mut functions = RemoteFunctions::default();
    let declared = "impl Link { async fn stat(&self) -> Result<u8, RemoteError> { todo!() } }";
    functions.visit_file(&syn::parse_file(declared).unwrap());
    let check = |body: &str, faults: usize| {
        let text = format!("async fn f(link: &Link) {{ {body} }}");
        let found = DroppedErrors::of(&syn::parse_file(&text).unwrap(), &functions);
        assert_eq!(found.len(), faults, "{body}");
    };
    for body in [
        "link.stat().await.ok();",
        "link.stat().await.map(double).unwrap_or(0);",
        "if link.stat().await.is_ok_and(is_one) {}",
        "let there = link.stat().await; there.is_ok();",
        "link.stat().await.map_err(|_| other)?;",
        "let there = link.stat().await; let there = there.ok();",
        "match link.stat().await { Ok(size) => size, Err(_) => 0 };",
        "match link.stat().await { Ok(1) => 1, _ => 0 };",
        "match link.stat().await { Ok(_) | Err(_) => 0 };",
        "match link.stat().await { Err(_) if late() => 1, Err(RemoteError::ConnectionLost(_)) => 2, Ok(x) => x };",
        "if let Ok(size) = link.stat().await {}",
        "let Ok(size) = link.stat().await else { return };",
    ] {
        check(body, 1);
    }
    for body in [
        "link.stat().await.unless_refused()?.is_some();",
        "link.stat().await.map_err(words)?;",
        "local.ok();",
        "let there = link.stat().await; let there = there.unless_refused()?; there.is_some();",
        "match link.stat().await { Err(RemoteError::ConnectionLost(lost)) => no(lost), Ok(_) | Err(_) => 0 };",
        "match link.stat().await { Ok(size) => size, Err(failed) => say(failed) };",
        "let Err(failed) = link.stat().await else { return };",
        "link.other().await.ok();",
    ] {
        check(body, 0);
    }
}
