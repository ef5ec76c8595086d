;; A component of another world: it imports a version of `request` that this host does not have, and exports no
;; `handle`.
(component
  (import "vibrato:handler/request@9.0.0" (instance
    (export "method" (func (result string)))))
  (core module $code
    (func (export "run")))
  (core instance $instance (instantiate $code))
  (func (export "run") (canon lift (core func $instance "run"))))
