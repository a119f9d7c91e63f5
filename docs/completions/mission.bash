_mission_completion() {
    local IFS=$'\n' code
    COMPREPLY=( $( env COMP_WORDS="${COMP_WORDS[*]}" \
                   COMP_CWORD=$COMP_CWORD \
                   _MISSION_COMPLETE=complete_bash $1 ) )
    code=$?
    if [[ $code == 1 ]]; then compopt -o default; fi
    if [[ ${COMPREPLY[0]-} == *= ]]; then compopt -o nospace; fi
    return 0
}

complete -F _mission_completion mission
