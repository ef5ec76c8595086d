;; A handler whose start function asks for the version of its request.
(component
  (import "vibrato:handler/types@0.1.0" (instance $types
    (type $version (enum "http10" "http11"))
    (export "http-version" (type (eq $version)))
    (type $outcome (variant (case "body" (list u8)) (case "close") (case "manual")))
    (export "outcome" (type (eq $outcome)))))
  (alias export $types "http-version" (type $version))
  (alias export $types "outcome" (type $outcome))
  (import "vibrato:handler/request@0.1.0" (instance $request
    (alias outer 1 $version (type $outer))
    (export "http-version" (type $version (eq $outer)))
    (export "version" (func (result $version)))))
  (core func $version (canon lower (func $request "version")))
  (core module $code
    (import "request" "version" (func $version (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\00\00\00\00\10\00\00\00\08\00\00\00")
    (data (i32.const 16) "http/1.0")
    ;; Its last digit is the minor version.
    (func $start (i32.store8 (i32.const 23) (i32.add (i32.const 48) (call $version))))
    (start $start)
    (func (export "handle") (result i32) (i32.const 0)))
  (core instance $imports (export "version" (func $version)))
  (core instance $instance (instantiate $code (with "request" (instance $imports))))
  (func (export "handle") (result $outcome)
    (canon lift (core func $instance "handle") (memory (core memory $instance "memory")))))
