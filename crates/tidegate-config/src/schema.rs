//! The JSON Schema of the file, for editors and for checks outside of the gateway.
//!
//! It says what the shape says about structure, words and spelling. What it cannot say (bounds of
//! durations and sizes, references between parts, jq) only [`crate::load`] finds.

use serde_json::{Map as JsonMap, Value as Json, json};

use crate::diagnostic::Problems;
use crate::marked;
use crate::shape::file::ROOT;
use crate::shape::{Field, List, Map, NAME_PATTERN, Named, Presence, Shape, Tagged, Variant};

/// The JSON Schema (draft 2020-12) of the configuration file.
#[must_use]
pub fn schema() -> Json {
    let mut root = shape(&ROOT);
    if let Some(object) = root.as_object_mut() {
        let draft = "https://json-schema.org/draft/2020-12/schema";
        object.insert("$schema".to_owned(), json!(draft));
        object.insert("title".to_owned(), json!("Tidegate configuration"));
    }
    root
}

fn shape(shape: &Shape) -> Json {
    match shape {
        Shape::Scalar(scalar) => scalar.schema(),
        Shape::Map(map) => short_or_mapping(map),
        Shape::Tagged(tagged) => one_of_variants(tagged),
        Shape::Named(named) => names(named),
        Shape::List(list) => items(list),
    }
}

fn short_or_mapping(map: &Map) -> Json {
    let object = mapping(map, None);
    let short = map.short.and_then(|key| map.field(key));
    match short {
        Some(field) => json!({ "anyOf": [shape(field.shape), object] }),
        None => object,
    }
}

/// A mapping with fixed keys; `tag` is a further one that must hold that word.
fn mapping(map: &Map, tag: Option<(&str, &Variant)>) -> Json {
    let mut properties = JsonMap::new();
    let mut required: Vec<&str> = Vec::new();
    if let Some((tag, variant)) = tag {
        let word = json!({ "const": variant.word, "description": variant.doc });
        properties.insert(tag.to_owned(), word);
        required.push(tag);
    }
    for field in map.fields {
        if field.presence == Presence::NotYet {
            continue;
        }
        if field.presence == Presence::Required {
            required.push(field.name);
        }
        properties.insert(field.name.to_owned(), property(field));
    }
    let empty_is_fine = required.is_empty() && map.one_of.is_empty();
    let mut object = json!({
        "type": object_type(empty_is_fine),
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    if !map.one_of.is_empty() {
        object["allOf"] = map.one_of.iter().map(|set| exactly_one(set)).collect();
    }
    object
}

/// `key:` with nothing behind it is an empty mapping, where that is possible.
fn object_type(empty_is_fine: bool) -> Json {
    if empty_is_fine {
        json!(["object", "null"])
    } else {
        json!("object")
    }
}

fn exactly_one(keys: &[&str]) -> Json {
    let each: Vec<Json> = keys
        .iter()
        .map(|key| json!({ "required": [key] }))
        .collect();
    json!({ "oneOf": each })
}

fn property(field: &Field) -> Json {
    let mut schema = shape(field.shape);
    if let Some(object) = schema.as_object_mut() {
        object.insert("description".to_owned(), json!(field.doc));
        if let Presence::Default(text) = field.presence {
            object.insert("default".to_owned(), example(text));
        }
        if let Some(text) = field.example {
            object.insert("examples".to_owned(), json!([example(text)]));
        }
    }
    schema
}

/// What is written in YAML as JSON; a test holds every default and example to be readable.
fn example(text: &str) -> Json {
    marked::parse(text, &mut Problems::default()).map_or(Json::Null, |node| node.to_json())
}

fn one_of_variants(tagged: &Tagged) -> Json {
    let mut variants = Vec::new();
    for variant in tagged.variants {
        variants.push(mapping(&variant.map, Some((tagged.tag, variant))));
        let alone = variant.map.one_of.is_empty()
            && !variant
                .map
                .fields
                .iter()
                .any(|field| field.presence == Presence::Required);
        if alone {
            variants.push(json!({ "const": variant.word, "description": variant.doc }));
        }
    }
    json!({ "oneOf": variants })
}

fn names(named: &Named) -> Json {
    json!({
        "type": ["object", "null"],
        "propertyNames": { "pattern": NAME_PATTERN },
        "additionalProperties": shape(named.value),
        "maxProperties": named.most,
    })
}

fn items(list: &List) -> Json {
    let kind = if list.least == 0 {
        json!(["array", "null"])
    } else {
        json!("array")
    };
    json!({
        "type": kind,
        "items": shape(list.item),
        "minItems": list.least,
        "maxItems": list.most,
    })
}
