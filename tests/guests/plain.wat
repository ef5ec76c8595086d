;; A handler by hand, of the world `handler`: no declaration, no import, no memory to grow. It answers `plain`.
(component
  (import "vibrato:handler/types@0.1.0" (instance $types
    (type $outcome (variant (case "body" (list u8)) (case "close") (case "manual")))
    (export "outcome" (type (eq $outcome)))))
  (alias export $types "outcome" (type $outcome))
  (core module $code
    ;; The discriminant of `body`, then where its bytes are and how many.
    (memory (export "memory") 1)
    (data (i32.const 0) "\00\00\00\00\10\00\00\00\05\00\00\00")
    (data (i32.const 16) "plain")
    (func (export "handle") (result i32) (i32.const 0)))
  (core instance $instance (instantiate $code))
  (func (export "handle") (result $outcome)
    (canon lift (core func $instance "handle") (memory (core memory $instance "memory")))))
