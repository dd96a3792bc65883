// Package packages holds the files in packaging/, which packages of mtad are made of, against the programs that read
// them.
package packages
