//! The rules on texts of which it is known what Tint says of them.

use super::{divergent, mixed};

#[test]
fn operators_that_need_parentheses() {
    let of = |expression: &str| mixed(&format!("fn f() {{\n  let x = {expression};\n}}"));
    for expression in [
        "a || b && c",
        "a && b || c",
        "a | b & c",
        "a & b == c",
        "a == b & c",
        "a ^ b | c",
        "a << b + 1u",
        "a + b << 1u",
        "a << b << c",
        "a * b >> 2u",
        "a & b + c",
        "a < b == c",
        "a & b && c",
        "f(a, b || c && d)",
        "x[a << b + 1u]",
        "a && (b | c & d)",
        "vec4<f32>(a & b | c)",
        "-a & b + c",
    ] {
        assert!(of(expression).is_some(), "{expression}");
    }
    for expression in [
        "a || (b && c)",
        "a || b || c",
        "a & b & c",
        "(a & b) == c",
        "a << (b + 1u)",
        "(a << b) + c",
        "a + b * c - d % e",
        "a + b < c * d && e != f",
        "a < b && c > d",
        "a << b < c",
        "a << b == c >> d && e < f",
        "-a * -b",
        "!a && !b",
        "f(a && b, c || d)",
        "array<vec4<u32>, 2>(a, b)",
        "vec4<f32>(a) + vec4<f32>(b) * c",
        "bitcast<u32>(a) & 0x7fffffffu",
        "a - 1.5e-3 * b",
        "select(a, b, c < d) | e",
        "x[a && b] || c",
    ] {
        assert_eq!(of(expression), None, "{expression}");
    }
    // No operator is taken over from what stands before.
    assert_eq!(mixed("fn f(p: ptr<function, u32>) { *p = a & b; x += a + b; return -a; }"), None);
    assert_eq!(mixed("// a || b && c\nvar<storage, read> a: array<vec2<u32>>;\nconst B = a > b;"), None);
    assert!(mixed("fn f() { for (var k = 0u; k < n && a || b; k++) {} }").is_some());
    assert!(mixed("fn f() { if (a & b == c) {} }").is_some());
}

/// A kernel with this body, that of a function g, and bindings of each kind.
fn of(body: &str) -> Option<String> {
    let text = format!(
        "@group(0) @binding(0) var<storage, read> given: array<u32>;
        @group(0) @binding(1) var<storage, read_write> written: array<u32>;
        var<private> mine: u32;
        var<workgroup> shared_: array<u32, 64>;
        const TABLE = array<u32, 4>(1u, 2u, 3u, 4u);
        fn twice(x: u32) -> u32 {{ return 2u * x; }}
        fn early(x: u32) -> u32 {{ if (x > 3u) {{ return 0u; }} return 1u; }}
        fn wait() {{ workgroupBarrier(); }}
        @compute @workgroup_size(64)
        fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {{ {body} }}"
    );
    divergent(&naga::front::wgsl::parse_str(&text).unwrap_or_else(|e| panic!("{}", e.emit_to_string(&text))))
}

#[test]
fn barriers_in_control_flow_that_is_not_uniform() {
    for body in [
        "if (lane.x > 3u) { workgroupBarrier(); }",
        "if (lane.x > 3u) { return; } workgroupBarrier();",
        "mine = 4u; for (var k = 0u; k < mine; k++) { workgroupBarrier(); }",
        "for (var k = lane.x; k < 64u; k += 8u) { workgroupBarrier(); }",
        "var n = 4u; if (lane.x > 3u) { n = 5u; } for (var k = 0u; k < n; k++) { workgroupBarrier(); }",
        "if (shared_[0] > 1u) { workgroupBarrier(); }",
        "if (written[0] > 1u) { workgroupBarrier(); }",
        "if (given[lane.x] > 1u) { workgroupBarrier(); }",
        "if (twice(lane.x) > 1u) { workgroupBarrier(); }",
        "if (early(lane.x) > 0u) { workgroupBarrier(); }",
        "if (lane.x > 1u) { wait(); }",
        "loop { if (lane.x > 1u) { break; } workgroupBarrier(); }",
        "loop { workgroupBarrier(); if (lane.x > 1u) { break; } }",
        "for (var k = 0u; k < 4u; k++) { if (lane.x > k) { continue; } workgroupBarrier(); }",
        "var n = 0u; for (var k = 0u; k < 4u; k++) { if (n > 2u) { workgroupBarrier(); } n = lane.x; }",
        "var n: array<u32, 2>; n[1] = lane.x; if (n[0] > 1u) { workgroupBarrier(); }",
        "switch (lane.x) { case 0u: { workgroupBarrier(); } default: {} }",
        "let n = select(1u, 2u, lane.x > 3u); if (n > 1u) { workgroupBarrier(); }",
    ] {
        assert!(of(body).is_some(), "{body}");
    }
    for body in [
        "workgroupBarrier();",
        "if (group.x > 3u) { workgroupBarrier(); }",
        "if (group.x > 3u) { return; } workgroupBarrier();",
        "let n = TABLE[group.x]; for (var k = 0u; k < n; k++) { workgroupBarrier(); }",
        "if (lane.x > 3u) { mine = 4u; } workgroupBarrier();",
        "for (var k = lane.x; k < 64u; k += 8u) { mine += k; } workgroupBarrier();",
        "loop { if (lane.x > 1u) { break; } } workgroupBarrier();",
        "if (given[group.x] > 1u) { workgroupBarrier(); }",
        "if (twice(group.x) > 1u) { workgroupBarrier(); }",
        "if (early(group.x) > 0u) { wait(); }",
        "var n = lane.x; n = 4u; for (var k = 0u; k < n; k++) { workgroupBarrier(); }",
        "let n = workgroupUniformLoad(&shared_[0]); if (n > 3u) { workgroupBarrier(); }",
        "var n = 0u; if (group.x > 1u) { n = 3u; } if (n > 2u) { workgroupBarrier(); }",
        "switch (group.x) { case 0u: { workgroupBarrier(); } default: {} } workgroupBarrier();",
        "switch (lane.x) { case 0u: { mine = 1u; } default: {} } workgroupBarrier();",
    ] {
        assert_eq!(of(body), None, "{body}");
    }
}
