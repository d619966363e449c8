//! The document against the sources: the routes that they register, and the words of errors.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use syn::visit::{self, Visit};
use syn::{Expr, ExprLit, ExprMethodCall, ExprTuple, Lit, Local, Pat};

use super::{PARTS, join, joined};

const METHODS: [&str; 7] = ["get", "head", "post", "put", "patch", "delete", "options"];

/// The methods of each path.
type MethodsByPath = BTreeMap<String, BTreeSet<String>>;

fn document() -> Value {
    Value::Object(joined().unwrap())
}

fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web").join(path)
}

/// Adds the Rust files in this directory and below.
fn gather(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn parsed(file: &Path) -> syn::File {
    syn::parse_file(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// The routes that one file registers.
#[derive(Default)]
struct RouteReader<'ast> {
    /// What `let` has given a name.
    named: BTreeMap<String, &'ast Expr>,
    routes: MethodsByPath,
}

impl RouteReader<'_> {
    /// Returns the methods that a chain such as `get(list).post(add)` answers. A name stands for what `let` gave it.
    fn methods(&self, handlers: &Expr) -> BTreeSet<String> {
        let method = |name: String| {
            assert!(METHODS.contains(&name.as_str()), "{name} is not a method");
            name
        };
        match handlers {
            Expr::MethodCall(call) => {
                let mut methods = self.methods(&call.receiver);
                let name = call.method.to_string();
                if name != "clone" {
                    methods.insert(method(name));
                }
                methods
            }
            Expr::Call(call) => match &*call.func {
                Expr::Path(path) => {
                    let name = path.path.segments.last().unwrap().ident.to_string();
                    BTreeSet::from([method(name)])
                }
                _ => panic!("a route is not registered by the name of a method"),
            },
            Expr::Path(path) => {
                let name = path.path.require_ident().unwrap().to_string();
                self.methods(self.named[&name])
            }
            _ => panic!("a route has handlers that are not a chain of methods"),
        }
    }
}

impl<'ast> Visit<'ast> for RouteReader<'ast> {
    fn visit_local(&mut self, local: &'ast Local) {
        if let (Pat::Ident(name), Some(init)) = (&local.pat, &local.init) {
            self.named.insert(name.ident.to_string(), &init.expr);
        }
        visit::visit_local(self, local);
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        if call.method == "route" {
            let arguments: Vec<&Expr> = call.args.iter().collect();
            let [
                Expr::Lit(ExprLit {
                    lit: Lit::Str(path), ..
                }),
                handlers,
            ] = arguments.as_slice()
            else {
                panic!("a route has no literal path");
            };
            let methods = self.methods(handlers);
            // One path with and without a slash; a wildcard is a parameter.
            let path = path.value().replace("{*", "{");
            let path = path.trim_end_matches('/').to_owned();
            self.routes.entry(path).or_default().extend(methods);
        }
        visit::visit_expr_method_call(self, call);
    }
}

/// Returns the routes that the sources of the API register.
fn registered() -> MethodsByPath {
    let mut files = vec![source("api.rs")];
    gather(&source("api"), &mut files);
    assert!(files.len() > 40, "{files:?}");
    let mut routes = MethodsByPath::new();
    for file in files {
        let parsed = parsed(&file);
        let mut reader = RouteReader::default();
        reader.visit_file(&parsed);
        for (path, methods) in reader.routes {
            routes.entry(path).or_default().extend(methods);
        }
    }
    assert!(routes.len() > 40, "{routes:?}");
    routes
}

/// Returns the routes that the document describes.
fn described(document: &Value) -> MethodsByPath {
    let paths = document["paths"].as_object().unwrap().iter();
    let methods = |item: &Value| -> BTreeSet<String> {
        let members = item.as_object().unwrap().keys();
        let methods = members.filter(|member| METHODS.contains(&member.as_str()));
        methods.cloned().collect()
    };
    paths.map(|(path, item)| (path.clone(), methods(item))).collect()
}

#[test]
fn the_document_has_every_route_with_its_methods_and_no_other() {
    let document = document();
    assert_eq!(document["servers"], json!([{"url": "/api/v1"}]));
    let (registered, mut described) = (registered(), described(&document));
    for (path, methods) in &mut described {
        // What answers GET answers HEAD, too.
        let known = registered.get(path);
        if known.is_some_and(|known| known.contains("get") && !known.contains("head")) {
            methods.remove("head");
        }
    }
    let is_missing = |path: &&String| registered.get(*path) != described.get(*path);
    let all: BTreeSet<&String> = registered.keys().chain(described.keys()).collect();
    let differences: Vec<_> = all
        .into_iter()
        .filter(is_missing)
        .map(|path| {
            format!(
                "{path}: {:?}, described {:?}",
                registered.get(path),
                described.get(path)
            )
        })
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Returns what a reference leads to.
fn resolve<'a>(document: &'a Value, reference: &str) -> &'a Value {
    let found = reference
        .strip_prefix('#')
        .and_then(|pointer| document.pointer(pointer));
    found.unwrap_or_else(|| panic!("{reference} leads nowhere"))
}

/// Calls a function for every object in a value.
fn for_each_object(value: &Value, visit: &mut dyn FnMut(&Map<String, Value>)) {
    match value {
        Value::Object(members) => {
            visit(members);
            for member in members.values() {
                for_each_object(member, visit);
            }
        }
        Value::Array(items) => {
            for item in items {
                for_each_object(item, visit);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_component_is_used() {
    let document = document();
    let mut used = BTreeSet::new();
    for_each_object(&document, &mut |members| {
        if let Some(Value::String(reference)) = members.get("$ref") {
            used.insert(reference.clone());
        }
    });
    assert!(used.len() > 50, "{used:?}");
    for reference in &used {
        resolve(&document, reference);
    }
    for kind in ["schemas", "parameters", "headers", "responses"] {
        for name in document["components"][kind].as_object().unwrap().keys() {
            let reference = format!("#/components/{kind}/{name}");
            assert!(used.contains(&reference), "nothing uses {reference}");
        }
    }
}

#[test]
fn every_operation_has_a_name_of_its_own_and_says_what_it_needs() {
    let document = document();
    let tags = document["tags"].as_array().unwrap();
    let mut names = BTreeSet::new();
    for (path, methods) in described(&document) {
        for method in methods {
            let operation = &document["paths"][&path][&method];
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{name} is there twice");
            assert!(operation["summary"].is_string(), "{name}");
            let tag = &operation["tags"][0];
            assert!(tags.iter().any(|known| &known["name"] == tag), "{name}: {tag}");
            let security = operation["security"].as_array().unwrap();
            let responses = operation["responses"].as_object().unwrap();
            assert_eq!(security.is_empty(), !responses.contains_key("401"), "{name}");
            assert!(responses.contains_key("default"), "{name}");
            check_parameters(&document, &path, operation);
        }
    }
}

/// Checks that an operation has the parameters that its path names, and no others in the path.
fn check_parameters(document: &Value, path: &str, operation: &Value) {
    let of_path = document["paths"][path]["parameters"].as_array();
    let own = operation["parameters"].as_array();
    let parameters = of_path.into_iter().chain(own).flatten();
    let resolved = parameters.map(|parameter| match parameter["$ref"].as_str() {
        Some(reference) => resolve(document, reference),
        None => parameter,
    });
    let in_path: BTreeSet<&str> = resolved
        .filter(|parameter| parameter["in"] == "path")
        .map(|parameter| parameter["name"].as_str().unwrap())
        .collect();
    let components = path.split('/');
    let named: BTreeSet<&str> = components
        .filter_map(|component| component.strip_prefix('{')?.strip_suffix('}'))
        .collect();
    assert_eq!(in_path, named, "{path}");
}

/// The statuses of errors by their fixed words, as `error.rs` has them.
#[derive(Default)]
struct ErrorWordReader(BTreeMap<String, String>);

impl<'ast> Visit<'ast> for ErrorWordReader {
    fn visit_expr_tuple(&mut self, tuple: &'ast ExprTuple) {
        let elements: Vec<&Expr> = tuple.elems.iter().collect();
        if let [
            Expr::Lit(ExprLit {
                lit: Lit::Int(status),
                ..
            }),
            Expr::Lit(ExprLit {
                lit: Lit::Str(word), ..
            }),
        ] = elements.as_slice()
        {
            self.0.insert(word.value(), status.base10_digits().to_owned());
        }
        visit::visit_expr_tuple(self, tuple);
    }
}

#[test]
fn the_words_of_errors_are_those_of_the_sources_with_their_statuses() {
    let document = document();
    let file = parsed(&source("error.rs"));
    let mut reader = ErrorWordReader::default();
    reader.visit_file(&file);
    let ErrorWordReader(statuses) = reader;
    let words = document.pointer("/components/schemas/ErrorCode/enum").unwrap();
    let words: BTreeSet<&str> = words
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let known: BTreeSet<&str> = statuses.keys().map(String::as_str).collect();
    assert_eq!(words, known);
    // Every answer with an error stands where the statuses of its words are.
    let mut checked = 0;
    for (path, methods) in described(&document) {
        for method in methods {
            let responses = document["paths"][&path][&method]["responses"]
                .as_object()
                .unwrap();
            for (status, response) in responses.iter().filter(|(status, _)| *status != "default") {
                let Some(reference) = response["$ref"].as_str() else {
                    continue;
                };
                let response = resolve(&document, reference);
                let example = response.pointer("/content/application~1json/example/error/code");
                if let Some(word) = example.and_then(Value::as_str) {
                    assert_eq!(&statuses[word], status, "{method} {path}: {reference}");
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 100, "{checked}");
}

#[test]
fn every_part_of_the_document_is_joined() {
    let directory = std::fs::read_dir(source("api/openapi")).unwrap();
    let names = directory.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<String> = names.filter(|name| name.ends_with(".json")).collect();
    let joined: BTreeSet<String> = PARTS.iter().map(|part| part.file.to_owned()).collect();
    assert_eq!(files, joined);
    for part in &PARTS {
        let lines = part.text.lines().count();
        assert!(lines <= 400, "{} has {lines} lines", part.file);
    }
}

#[test]
fn parts_may_share_objects_and_nothing_else() {
    let check = |part: Value, expected: Option<Value>| {
        let mut whole = json!({"a": {"b": 1}});
        let (Value::Object(into), Value::Object(part)) = (&mut whole, part) else {
            panic!("not an object");
        };
        let is_joined = join(into, part).is_ok();
        assert_eq!(is_joined.then_some(whole), expected);
    };
    check(json!({"c": 2}), Some(json!({"a": {"b": 1}, "c": 2})));
    check(json!({"a": {"c": 2}}), Some(json!({"a": {"b": 1, "c": 2}})));
    check(json!({"a": {"b": 1}}), None);
    check(json!({"a": 1}), None);
}
