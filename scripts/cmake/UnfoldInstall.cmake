# cmake --install: program, headers by room, configs.
include(GNUInstallDirs)
install(TARGETS unfold RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
foreach(room IN ITEMS core autograd gsa models data train eval cli)
  install(DIRECTORY ${room}/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/unfold/${room}
          FILES_MATCHING PATTERN "*.h")
endforeach()
install(DIRECTORY configs/ DESTINATION ${CMAKE_INSTALL_DATADIR}/unfold/configs)
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DATADIR}/unfold)
