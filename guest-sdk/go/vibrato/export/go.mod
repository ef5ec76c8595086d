// The bindings import what is exported by this name.
module wit_component/export_wit_world

go 1.27.1
