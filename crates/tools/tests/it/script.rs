//! Scripts, also hostile ones.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gorgon_core::call::{FailureClass, Outcome, Request, ScriptRequest};
use gorgon_ports::{Progress, Steer};
use gorgon_tools::{ScriptExecutor, ScriptOptions};
use serde_json::{Value, json};

use crate::call::{Call, assert_failed, failure, value};

fn request(source: &str, inputs: &Value) -> ScriptRequest {
    let inputs = inputs.as_object().cloned().unwrap();
    ScriptRequest { language: "lua".to_owned(), source: source.to_owned(), inputs, memory_bytes_max: 64 << 20 }
}

async fn perform(call: &Call, source: &str, inputs: Value) -> Outcome {
    call.perform(&ScriptExecutor::new(ScriptOptions::default()), Request::Script(request(source, &inputs))).await
}

async fn run(source: &str, inputs: Value) -> Outcome {
    perform(&Call::default(), source, inputs).await
}

async fn result(source: &str) -> Value {
    value(run(source, json!({})).await)
}

#[tokio::test]
async fn inputs_are_locals_and_a_table_is_the_outputs() {
    let inputs =
        json!({"price": 2.5, "count": 4, "name": "é", "flag": true, "none": null, "list": [1, null, 3], "object": {"a": {"b": [1]}, "gone": null}});
    let source = "return {total = price * count, name = name .. '!', flag = not flag, none = none == nil, third = list[3], hole = list[2] == null, b = object.a.b[1], gone = object.gone == nil}";
    let expected = json!({"total": 10, "name": "é!", "flag": false, "none": true, "third": 3, "hole": true, "b": 1, "gone": true});
    assert_eq!(value(run(source, inputs).await), expected);
}

#[tokio::test]
async fn results_become_json() {
    let table = [
        ("return {a = 1, b = {c = 'x'}}", json!({"a": 1, "b": {"c": "x"}})),
        ("return {1, 2, 'x'}", json!([1, 2, "x"])),
        ("return {}", json!({})),
        ("return array({})", json!([])),
        ("return {list = array()}", json!({"list": []})),
        ("return array({1})", json!([1])),
        ("return {1, null, 3}", json!([1, null, 3])),
        ("return {a = null}", json!({"a": null})),
        ("return 'text'", json!("text")),
        ("return nil", json!(null)),
        ("return null", json!(null)),
        ("", json!(null)),
        ("return true, 'further values are dropped'", json!(true)),
        ("return 3.0", json!(3)),
        ("return -0.0", json!(0)),
        ("return 0.1", json!(0.1)),
        ("return 2^53", json!(9_007_199_254_740_992_u64)),
        ("return 1e300", json!(1e300)),
        ("return 10 / 4", json!(2.5)),
        ("return '\"\\n\\0\\\\'", json!("\"\n\0\\")),
    ];
    for (source, expected) in table {
        assert_eq!(result(source).await, expected, "{source}");
    }
    assert_eq!(result("return 2^60").await.as_f64(), Some(2_f64.powi(60)));
}

#[tokio::test]
async fn what_comes_in_goes_out_unchanged() {
    let all = json!({"a": [], "b": {}, "c": [[], [null]], "d": "\u{0}é\u{10ffff}", "e": -1.5, "f": 9_007_199_254_740_992_u64, "g": [{"h": false}]});
    assert_eq!(value(run("return x", json!({"x": all})).await), all);
    // Objects come out sorted, so the text is the same each time.
    let Outcome::Succeeded { value: text, .. } = run("return {b = 1, a = 2, c = 3}", json!({})).await else { panic!() };
    assert_eq!(text.json(), r#"{"a":2,"b":1,"c":3}"#);
}

#[tokio::test]
async fn what_is_no_json_is_named() {
    let table = [
        ("return {a = {b = print}}", "result.a.b is a function"),
        ("return {coroutine.create(print)}", "result[1] is a thread"),
        ("return buffer.create(1)", "result is a buffer"),
        ("return {x = 0/0}", "result.x is NaN"),
        ("return 1/0", "result is inf"),
        ("return {1, nil, 3}", "array with gaps"),
        ("return {1, a = 2}", "both positions and names"),
        ("return {[0] = 1}", "no position from 1"),
        ("return {[1.5] = 1}", "no position from 1"),
        ("return {[true] = 1}", "a boolean as a key"),
        ("return '\\255'", "result is no UTF-8 text"),
        ("return {['\\255'] = 1}", "a key that is no UTF-8 text"),
        ("local t = {} t.t = t return t", "contains itself"),
    ];
    for (source, part) in table {
        assert_failed(run(source, json!({})).await, FailureClass::Invalid, part);
    }
    // Metatables have no say in what is written.
    let source =
        "return setmetatable({a = 1}, {__index = function() error('no') end, __iter = function() error('no') end, __len = function() return 9 end})";
    assert_eq!(result(source).await, json!({"a": 1}));
}

#[tokio::test]
async fn results_are_bounded() {
    let options = ScriptOptions { result_bytes_max: 10_000, ..ScriptOptions::default() };
    let executor = ScriptExecutor::new(options);
    for source in [
        "return ('x'):rep(10000)",
        "return {a = {('x'):rep(10000)}}",
        "return {[('x'):rep(10000)] = 1}",
        "return table.create(5001, 1)",
        // A small table that unfolds to 2^40 elements.
        "local t = {1} for _ = 1, 40 do t = {t, t} end return t",
    ] {
        let outcome = Call::default().perform(&executor, Request::Script(request(source, &json!({})))).await;
        assert_failed(outcome, FailureClass::Refused, "more than 10000 bytes");
    }
    let outcome = Call::default().perform(&executor, Request::Script(request("return ('x'):rep(9998)", &json!({})))).await;
    assert_eq!(value(outcome).as_str().unwrap().len(), 9_998);
}

#[tokio::test]
async fn inputs_that_cannot_be_locals_are_named() {
    for name in ["end", "not", "a b", "1a", "", "a-b", "é", "a\nb", "x = os"] {
        assert_failed(run("return 1", json!({name: 1})).await, FailureClass::Invalid, &format!("{name:?}").replace('"', ""));
    }
    let many: serde_json::Map<_, _> = (0..151).map(|n| (format!("i{n}"), json!(n))).collect();
    assert_failed(run("return 1", json!(many)).await, FailureClass::Invalid, "at most 150 inputs");
    let most: serde_json::Map<_, _> = (0..150).map(|n| (format!("i{n}"), json!(n))).collect();
    assert_eq!(value(run("return i0 + i149", json!(most)).await), json!(149));
    assert_failed(run("return id", json!({"id": 9_007_199_254_740_993_u64})).await, FailureClass::Invalid, "`id` holds 9007199254740993");
    assert_failed(run("return id", json!({"id": [i64::MIN]})).await, FailureClass::Invalid, "pass it as text");
}

#[tokio::test]
async fn errors_name_the_line_of_the_user() {
    let table = [
        ("return 1\n\nreturn return", FailureClass::Invalid, "cannot be read: line 3"),
        ("return {", FailureClass::Invalid, "cannot be read: line 1"),
        ("local a = {}\nlocal b = a.c.d", FailureClass::Refused, "failed: line 2: attempt to index nil with 'd'"),
        ("\n\nerror('boom')", FailureClass::Refused, "failed: line 3: boom"),
        ("error('bare', 0)", FailureClass::Refused, "bare"),
        ("error({})", FailureClass::Refused, "failed"),
        ("\nlocal function f()\n  string.find(nil, 'x')\nend\nf()", FailureClass::Refused, "line 3: invalid argument #1 to 'find'"),
        ("\ntable.sort({1, 'x'})", FailureClass::Refused, "line 2: attempt to compare"),
        ("\nassert(false)", FailureClass::Refused, "assertion failed"),
    ];
    for (source, class, part) in table {
        assert_failed(run(source, json!({"x": 1, "y": 2})).await, class, part);
    }
}

#[tokio::test]
async fn only_computing_is_there() {
    for name in [
        "io",
        "os",
        "debug",
        "package",
        "require",
        "dofile",
        "loadfile",
        "load",
        "loadstring",
        "getfenv",
        "setfenv",
        "collectgarbage",
        "gcinfo",
        "newproxy",
        "math.randomseed",
        "string.dump",
        "vector",
        "integer",
    ] {
        assert_eq!(result(&format!("return {name} == nil")).await, json!(true), "{name}");
    }
    let names = result("local names = array() for name in pairs(getmetatable(_G) and getmetatable(_G).__index or _G) do table.insert(names, name) end table.sort(names) return names").await;
    let names: Vec<_> = names.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!(names.contains(&"string") && names.contains(&"null") && !names.contains(&"os"), "{names:?}");
    assert_failed(run("\u{1b}LuaQ", json!({})).await, FailureClass::Invalid, "cannot be read");
}

#[tokio::test]
async fn libraries_and_metatables_cannot_be_changed() {
    for source in [
        "string.rep = nil",
        "getmetatable('').__index = {}",
        "getmetatable('').__add = function() end",
        "setmetatable(string, {})",
        "rawset(math, 'pi', 3)",
        "table.insert(string, 1)",
        "_G.print = nil",
        "setmetatable(_G, {})",
    ] {
        assert_failed(run(source, json!({})).await, FailureClass::Refused, "line 1");
    }
}

#[tokio::test]
async fn nothing_is_left_for_the_next_script() {
    let executor = ScriptExecutor::new(ScriptOptions::default());
    let call = Call::default();
    for _ in 0..3 {
        let source = "local before = leak leak = 'x' return {before = before == nil, r = math.random(1, 1e9)}";
        assert_eq!(value(call.perform(&executor, Request::Script(request(source, &json!({})))).await)["before"], true);
    }
}

#[tokio::test]
async fn chance_is_the_same_at_each_try() {
    let numbers = "local t = {} for i = 1, 5 do t[i] = math.random(1, 1e9) end return t";
    let (first, again) = (result(numbers).await, result(numbers).await);
    assert_eq!(first, again);
    assert_ne!(first, value(perform(&Call { key: "another", ..Call::default() }, numbers, json!({})).await));
}

#[tokio::test]
async fn loops_without_end_are_ended() {
    let table = [
        "while true do end",
        "repeat until false",
        "for i = 1, math.huge do end",
        "local function f() return f() end while true do pcall(f) end",
        "while true do pcall(function() while true do end end) end",
        "local function f() while true do pcall(f) end end f()",
        "while true do xpcall(error, function() while true do end end) end",
        "local c = coroutine.wrap(function() while true do coroutine.yield() end end) while true do c() end",
        "coroutine.wrap(function() while true do end end)()",
        "local function spawn() coroutine.wrap(spawn)() end while true do pcall(spawn) end",
        "local t = setmetatable({}, {__index = function(t, k) return t[k + 1] end}) while true do pcall(function() return t[1] end) end",
        "for x in function() return 1 end do end",
        "table.sort({1, 2, 3}, function() while true do end end)",
        "string.gsub(('x'):rep(100), '.', function() while true do end end)",
        "return setmetatable({}, {__tostring = function() while true do end end}) .. print(setmetatable({}, {__tostring = function() while true do end end}))",
    ];
    for source in table {
        let call = Call::within(Duration::from_millis(100));
        let started = Instant::now();
        let failure = failure(perform(&call, source, json!({})).await);
        assert!(started.elapsed() < Duration::from_secs(2), "{source}: {:?}", started.elapsed());
        if !source.starts_with("return setmetatable") {
            assert_eq!(failure.class, FailureClass::TimedOut, "{source}: {failure:?}");
        }
    }
}

#[tokio::test]
async fn a_script_that_caught_its_end_has_no_result() {
    let source = "local ok = pcall(function() while true do end end) return {ok = ok}";
    assert_eq!(failure(perform(&Call::within(Duration::from_millis(50)), source, json!({})).await).class, FailureClass::TimedOut);
}

#[tokio::test]
async fn searches_without_end_are_ended() {
    let table = [
        "return string.rep('a', 3e7):find(string.rep('a', 1.5e7) .. 'b', 1, true)",
        "return string.rep('a', 3e7):find(string.rep('a', 1.5e7) .. 'b')",
        "return string.rep('a', 1e8):find(string.rep('a*', 20) .. 'b')",
        "return string.rep('a', 1e7):find(string.rep('a*', 20) .. 'b')",
        "return string.rep('a', 1e6):match(string.rep('a-', 50) .. 'b')",
        "return string.rep('b', 1e7):find('^[' .. string.rep('a', 1e7) .. 'b]*$')",
        "return string.rep('b', 1e7):gsub('[' .. string.rep('a', 1e7) .. ']', '')",
        "return string.rep('b', 1e7):gmatch('[' .. string.rep('a', 1e7) .. ']')()",
        "return #string.rep('a', 2e7):split(string.rep('a', 1e7) .. 'b')",
        "return string.rep('(', 1e6):find('%b()')",
        "local a, b = string.rep('a', 5e6) .. 'a', string.rep('a', 5e6) .. 'b' local t = {} for i = 1, 1e5 do t[i] = i % 2 == 0 and a or b end table.sort(t)",
    ];
    for source in table {
        let call = Call::within(Duration::from_millis(200));
        let started = Instant::now();
        let outcome = perform(&call, source, json!({})).await;
        assert!(started.elapsed() < Duration::from_secs(4), "{source}: {:?}", started.elapsed());
        assert!(matches!(outcome, Outcome::Failed { .. }) || value(outcome).is_null(), "{source}");
    }
}

#[tokio::test]
async fn long_plain_searches_are_right() {
    let source = "local hay = string.rep('ab', 1e6) .. 'needle' .. string.rep('ab', 1e6)
        local needle = 'needle' .. string.rep('ab', 1e4)
        local first, last = hay:find(needle, 1, true)
        return {first, last, hay:find(needle), (hay:find(needle .. 'x', 1, true)) == nil, hay:find(needle, first + 1, true) == nil, hay:find(needle, -2100000, true), hay:find(needle, 5e6, true) == nil}";
    let first = 2_000_001;
    let last = 2_000_006 + 20_000;
    assert_eq!(result(source).await, json!([first, last, first, true, true, first, true]));
}

#[tokio::test]
async fn memory_is_bounded() {
    let table = [
        "return string.rep('x', 1e9)",
        "local s = 'x' while true do s = s .. s end",
        "local t = {} while true do t[#t + 1] = {} end",
        "local t = {} while true do pcall(function() t[#t + 1] = string.rep('x', 1e6) .. #t end) end",
        "return table.create(1e9, 0)",
        "return buffer.create(1e9)",
        "return #table.concat(table.create(1e6, string.rep('x', 1e4)))",
        "local t = {} while true do t[#t + 1] = coroutine.create(function() end) end",
        "return (string.rep('x', 1e7):gsub('.', string.rep('y', 1e3)))",
        "return string.format(string.rep('%99d', 1e6), table.unpack(table.create(7000, 1)))",
    ];
    for source in table {
        let call = Call::within(Duration::from_secs(1));
        let started = Instant::now();
        let failure = failure(perform(&call, source, json!({})).await);
        assert!(matches!(failure.class, FailureClass::Refused | FailureClass::TimedOut), "{source}: {failure:?}");
        assert!(started.elapsed() < Duration::from_secs(6), "{source}");
    }
    assert_failed(run("return string.rep('x', 1e9)", json!({})).await, FailureClass::Refused, "67108864 bytes of memory");
    // The smallest limit still runs something; a large input does not fit into it.
    let executor = ScriptExecutor::new(ScriptOptions::default());
    let small = |source, inputs: Value| Request::Script(ScriptRequest { memory_bytes_max: 65_536, ..request(source, &inputs) });
    assert_eq!(value(Call::default().perform(&executor, small("return x + 1", json!({"x": 1}))).await), json!(2));
    assert_failed(Call::default().perform(&executor, small("return 1", json!({"x": "x".repeat(100_000)}))).await, FailureClass::Refused, "memory");
}

#[tokio::test]
async fn the_stack_is_bounded() {
    for source in [
        "local function f() return 1 + f() end return f()",
        "local function f(...) return f(1, ...) end return f()",
        "local t = setmetatable({}, {}) getmetatable(t).__index = t return t.x",
        "local f f = function() return pcall(f) end return f()",
        "local t = {} setmetatable(t, {__tostring = function() return tostring(t) end}) return tostring(t)",
        "local function f(s) return (s:gsub('.', f)) end return f('x')",
    ] {
        let outcome = perform(&Call::within(Duration::from_secs(5)), source, json!({})).await;
        // That it answers at all is what counts: the process is still there.
        assert!(matches!(outcome, Outcome::Failed { .. } | Outcome::Succeeded { .. }), "{source}: {outcome:?}");
    }
    let deep = 100_000;
    for source in [
        format!("return {}1{}", "(".repeat(deep), ")".repeat(deep)),
        format!("return {}{}", "{".repeat(deep), "}".repeat(deep)),
        format!("return {}1", "not ".repeat(deep)),
        format!("return 'a'{}", " .. 'a'".repeat(deep)),
        format!("return 1{}", " ^ 1".repeat(deep)),
        format!("return x{}", ".y".repeat(deep)),
        format!("return x{}", "()".repeat(deep)),
        format!("{} {}", "do ".repeat(deep), "end ".repeat(deep)),
        format!("if x then {} end", "elseif x then ".repeat(deep)),
        format!("{} return 1 {}", "(function() ".repeat(20_000), "end)()".repeat(20_000)),
        format!("local x: {}number{}", "{".repeat(deep), "}".repeat(deep)),
        format!("return `{}`", "{`".repeat(1000)),
    ] {
        let outcome = perform(&Call::within(Duration::from_secs(10)), &source, json!({})).await;
        assert!(matches!(outcome, Outcome::Failed { .. } | Outcome::Succeeded { .. }), "{outcome:?}");
    }
}

#[tokio::test]
async fn work_is_bounded() {
    let options = ScriptOptions { fuel_max: 10_000, ..ScriptOptions::default() };
    let executor = ScriptExecutor::new(options);
    let outcome = Call::default().perform(&executor, Request::Script(request("while true do end", &json!({})))).await;
    assert_failed(outcome, FailureClass::Refused, "more than 10000 steps of work");
    let outcome = Call::default().perform(&executor, Request::Script(request("for i = 1, 1000 do end return 1", &json!({})))).await;
    assert_eq!(value(outcome), json!(1));
}

#[tokio::test]
async fn what_it_prints_is_told() {
    let call = Call::default();
    perform(&call, "print('a', 1, nil, true, 0.5) print() print('\\255')", json!({})).await;
    assert_eq!(call.output("stdout"), "a\t1\tnil\ttrue\t0.5\n\n\u{fffd}\n");
    // Also what is printed is bounded.
    let call = Call::within(Duration::from_millis(300));
    perform(&call, "while true do print(string.rep('x', 1e5)) end", json!({})).await;
    assert_eq!(call.output("stdout").len(), 1 << 20);
}

#[tokio::test]
async fn it_can_be_cancelled_and_stopped() {
    let call = Call::default();
    let cancel = call.cancel.clone();
    let call = Call {
        on_progress: Arc::new(move |_| {
            cancel.cancel();
            Steer::Continue
        }),
        ..call
    };
    assert_failed(perform(&call, "print('ready') while true do end", json!({})).await, FailureClass::Cancelled, "cancelled");
    let call = Call {
        on_progress: Arc::new(|progress| if matches!(progress, Progress::Output { .. }) { Steer::Stop } else { Steer::Continue }),
        ..Call::default()
    };
    assert_failed(perform(&call, "print('ready') while true do end", json!({})).await, FailureClass::Cancelled, "cancelled");
}

#[tokio::test]
async fn scripts_take_turns() {
    let options = ScriptOptions { concurrency_max: 1, ..ScriptOptions::default() };
    let executor = ScriptExecutor::new(options);
    let (long, short) = (Call::within(Duration::from_millis(300)), Call::within(Duration::from_millis(50)));
    let (first, second) = tokio::join!(
        long.perform(&executor, Request::Script(request("while true do end", &json!({})))),
        short.perform(&executor, Request::Script(request("return 1", &json!({})))),
    );
    assert_eq!((failure(first).class, failure(second).class), (FailureClass::TimedOut, FailureClass::TimedOut));
    assert_eq!(value(short.perform(&executor, Request::Script(request("return 1", &json!({})))).await), json!(1));
}

#[tokio::test]
async fn there_is_one_language() {
    let request = ScriptRequest { language: "python".to_owned(), ..request("x", &json!({})) };
    assert_failed(
        Call::default().perform(&ScriptExecutor::new(ScriptOptions::default()), Request::Script(request)).await,
        FailureClass::Invalid,
        "`python`",
    );
}
