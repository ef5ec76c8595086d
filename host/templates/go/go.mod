// The bindings import the handler by this name.
module wit_component/export_wit_world

go 1.27.1
